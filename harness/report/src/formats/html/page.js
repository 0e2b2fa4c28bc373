"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Light and dark: what the system says, until the button says otherwise.
  const theme = document.querySelector("#theme");
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const tellTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tellTheme();
  });
  systemDark.addEventListener("change", tellTheme);
  tellTheme();

  // One tooltip for all, by mouse, keyboard and touch. Its text is that of the description, which is in the document.
  const tip = document.querySelector("#tip");
  const described = (target) =>
    target.dataset.tip ?? document.getElementById(target.getAttribute("aria-describedby"))?.textContent;
  let shown = null;
  const hideTip = () => {
    tip.hidden = true;
    shown = null;
  };
  const showTip = (target) => {
    shown = target;
    tip.textContent = described(target);
    tip.hidden = false;
    const at = target.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = tip;
    const left = Math.min(Math.max(12, at.left + at.width / 2 - width / 2), root.clientWidth - width - 12);
    const below = at.bottom + 8 + height < root.clientHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - height - 8)}px`;
  };
  const tipped = (event) => event.target.closest?.("[data-tip], [aria-describedby]");
  document.addEventListener("pointerover", (event) => {
    const target = tipped(event);
    if (target) showTip(target);
    else if (!tip.contains(event.target)) hideTip();
  });
  document.addEventListener("focusin", (event) => {
    const target = tipped(event);
    if (target) showTip(target);
  });
  document.addEventListener("focusout", hideTip);
  // What has the focus may have been scrolled into view just now.
  const follow = () => (shown && shown === document.activeElement ? showTip(shown) : hideTip());
  document.addEventListener("scroll", follow, { capture: true, passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

  // Numbers as the tables write them.
  const short = (value) => {
    for (const prefix of ["", " k", " M", " G"]) {
      if (Math.abs(value) < 999.5 || prefix === " G") return value.toFixed(prefix === "" || value >= 99.95 ? 0 : 1) + prefix;
      value /= 1000;
    }
  };
  const format = (column, value) => {
    if (column.kind === "share") return `${(100 * value).toFixed(2)} %`;
    if (column.kind === "count") return short(value);
    return column.kind === "rank" ? String(value) : String(Number(value.toPrecision(4)));
  };

  // Good numbers first, models without a number last.
  const standing = (column, a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return column.higher ? b - a : a - b;
  };

  for (const board of all(".board")) {
    const { columns, models } = JSON.parse(board.querySelector("script").textContent);
    const body = board.querySelector("tbody");
    const rows = all("tr", body);
    const status = board.querySelector(".status");

    // Sorting: the good end first; a second press turns it round.
    const sort = (head) => {
      const id = head.dataset.column;
      const column = columns[id];
      const risesFirst = id === "name" || !column.higher;
      const before = head.getAttribute("aria-sort");
      const rises = before === "none" ? risesFirst : before !== "ascending";
      const order = (a, b) => {
        const [one, other] = [models[a.dataset.row], models[b.dataset.row]];
        if (id === "name") return (rises ? 1 : -1) * one.name.localeCompare(other.name, "en", { numeric: true });
        const [x, y] = [one.values[id][0], other.values[id][0]];
        if (x === null || y === null) return standing(column, x, y);
        return rises ? x - y : y - x;
      };
      // Equal ones stay in the order of the board.
      const sorted = [...rows].sort((a, b) => order(a, b) || a.dataset.row - b.dataset.row);
      body.append(...sorted);
      for (const other of all("thead th", board)) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      status.textContent = `Sorted by ${head.textContent}, ${rises ? "ascending" : "descending"}.`;
    };
    for (const head of all("thead th", board)) head.querySelector("button").addEventListener("click", () => sort(head));

    // Filter by name.
    const filter = board.querySelector("input[type=search]");
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const name = models[row.dataset.row].name.toLowerCase();
        row.hidden = !words.every((word) => name.includes(word));
        shown += !row.hidden;
      }
      status.textContent = words.length ? `${shown} of ${rows.length} models.` : "";
    });

    // Columns that are shown.
    for (const box of all(".choose input", board)) {
      const apply = () => {
        for (const cell of all(`table [data-column="${box.dataset.column}"]`, board)) cell.hidden = !box.checked;
      };
      box.addEventListener("change", apply);
      apply();
    }

    const plot = document.querySelector(`.scatter[data-board="${board.closest("section").id}"]`);
    if (plot) scatter(plot, columns, models, rows);
  }

  /** Two columns against each other, with the models that no other is better than. */
  function scatter(place, columns, models, rows) {
    const selects = { x: place.querySelector("[data-axis=x]"), y: place.querySelector("[data-axis=y]") };
    // As wide as there is room, so that letters keep their size.
    const SIZE = { left: 64, right: 24, top: 16, bottom: 50 };
    const measure = () => {
      SIZE.width = Math.max(320, Math.min(820, place.clientWidth));
      SIZE.height = Math.max(300, Math.round(0.53 * SIZE.width));
    };
    const element = (name, attributes, text) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      if (text !== undefined) made.textContent = text;
      return made;
    };

    const draw = () => {
      measure();
      const axes = ["x", "y"].map((axis) => Number(selects[axis].value));
      const [across, up] = axes.map((at) => columns[at]);
      const points = models
        .map((model, row) => ({ model, row, x: model.values[axes[0]], y: model.values[axes[1]] }))
        .filter((point) => point.x[0] !== null && point.y[0] !== null);
      const beats = (a, b) => {
        const orders = [standing(across, a.x[0], b.x[0]), standing(up, a.y[0], b.y[0])];
        return Math.max(...orders) <= 0 && Math.min(...orders) < 0;
      };
      for (const point of points) point.on = !points.some((other) => beats(other, point));
      const front = points.filter((point) => point.on);
      for (const row of rows) row.classList.toggle("front", front.some((point) => String(point.row) === row.dataset.row));
      const list = place.querySelector(".front-list");
      const names = front.map((point) => point.model.name).join(", ");
      const pair = document.createElement("b");
      pair.textContent = across === up ? up.title : `${up.title}, ${across.title}`;
      list.replaceChildren("On the front of ", pair, `: ${names || "none"}.`);
      place.querySelector(".plot").replaceChildren(picture(across, up, points, front));
    };

    /** Where values stand between two pixels, and which of them get a label. */
    const scale = (column, values, from, to) => {
      const [least, most] = [Math.min(...values), Math.max(...values)];
      const log = least > 0 && most / least > 20 && column.kind !== "share" && column.kind !== "rank";
      const bend = log ? Math.log10 : (value) => value;
      let [low, high] = [bend(least), bend(most)];
      const room = high > low ? 0.08 * (high - low) : Math.abs(high) * 0.1 || 0.5;
      [low, high] = [low - room, high + room];
      if (column.kind === "share") [low, high] = [Math.max(low, 0), Math.min(high, 1)];
      const ticks = [];
      if (log) {
        const digits = high - low > 1.8 ? [1] : [1, 2, 5];
        for (let power = Math.floor(low); power <= high; power += 1) {
          for (const digit of digits) ticks.push(digit * 10 ** power);
        }
      } else {
        const rough = (high - low) / 5;
        const power = 10 ** Math.floor(Math.log10(rough));
        const step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= rough);
        for (let count = Math.ceil(low / step); count * step <= high; count += 1) ticks.push(count * step);
      }
      const at = (value) => from + ((bend(value) - low) / (high - low)) * (to - from);
      return { at, ticks: ticks.filter((tick) => bend(tick) >= low && bend(tick) <= high) };
    };

    const picture = (across, up, points, front) => {
      const { width, height, left, right, top, bottom } = SIZE;
      const svg = element("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${up.title} over ${across.title}` });
      if (!points.length) {
        svg.append(element("text", { class: "tick middle", x: width / 2, y: height / 2 }, "No model has both numbers."));
        return svg;
      }
      const limits = (value) => value.filter((one) => one !== null);
      const x = scale(across, points.map((point) => point.x[0]), left, width - right);
      const y = scale(up, points.flatMap((point) => limits(point.y)), height - bottom, top);
      for (const tick of y.ticks) {
        svg.append(element("path", { class: "grid", d: `M${left} ${y.at(tick)}H${width - right}` }));
        svg.append(element("text", { class: "tick end", x: left - 8, y: y.at(tick) + 4 }, axisLabel(up, tick)));
      }
      for (const tick of x.ticks) {
        svg.append(element("path", { class: "grid", d: `M${x.at(tick)} ${top}V${height - bottom}` }));
        svg.append(element("text", { class: "tick middle", x: x.at(tick), y: height - bottom + 18 }, axisLabel(across, tick)));
      }
      svg.append(element("text", { class: "tick middle", x: (left + width - right) / 2, y: height - 8 }, across.title));
      svg.append(element("text", { class: "tick middle", transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)` }, up.title));

      // What can be had at least as good across: up to the next model on the front, no more than this one.
      const corners = [...front].sort((a, b) => a.x[0] - b.x[0]).map((point) => [x.at(point.x[0]), y.at(point.y[0])]);
      const step = ([left, base]) => (across.higher ? `V${base}H${left}` : `H${left}V${base}`);
      if (corners.length > 1) {
        svg.append(element("path", { class: "staircase", d: `M${corners[0].join(" ")}${corners.slice(1).map(step).join("")}` }));
      }
      const taken = points.map((point) => box(x.at(point.x[0]) - 6, y.at(point.y[0]) - 6, 12, 12));
      for (const point of [...points].sort((a, b) => a.on - b.on)) {
        svg.append(mark(point, across, up, x.at(point.x[0]), y, taken));
      }
      return svg;
    };

    const axisLabel = (column, tick) =>
      column.kind === "share" ? `${Number((100 * tick).toFixed(2))} %` : column.kind === "count" ? short(tick).replace(".0 ", " ") : String(Number(tick.toPrecision(3)));

    const box = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

    /** A point that can be reached by the keyboard, with its name where there is room. */
    const mark = (point, across, up, cx, y, taken) => {
      const cy = y.at(point.y[0]);
      const told = `${point.model.name}: ${up.title} ${format(up, point.y[0])}, ${across.title} ${format(across, point.x[0])}`;
      const group = element("g", { class: `point${point.on ? " on" : ""}`, tabindex: 0, role: "img", "aria-label": told + (point.on ? ", on the front" : ""), "data-tip": told });
      if (point.y[1] !== null) {
        group.append(element("path", { class: "whisker", d: `M${cx} ${y.at(point.y[1])}V${y.at(point.y[2])}` }));
      }
      const size = point.on ? 7 : 5;
      const shape = point.on ? `M${cx} ${cy - size}l${size} ${size}l${-size} ${size}l${-size} ${-size}z` : `M${cx - size} ${cy}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0z`;
      group.append(element("path", { class: "mark", d: shape }));
      const wide = (point.on ? 7.4 : 6.8) * point.model.name.length;
      const places = [["start", 11, 4], ["end", -11, 4], ["middle", 0, -12], ["middle", 0, 22], ["start", 8, -9], ["start", 8, 19], ["end", -8, -9], ["end", -8, 19]];
      for (const [anchor, aside, down] of places) {
        const left = cx + aside - { start: 0, middle: wide / 2, end: wide }[anchor];
        const label = box(left, cy + down - 11, wide, 14);
        if (label.left < SIZE.left || label.right > SIZE.width || label.top < 0 || taken.some((other) => meet(other, label))) continue;
        taken.push(label);
        group.append(element("text", { x: cx + aside, y: cy + down, "text-anchor": anchor }, point.model.name));
        break;
      }
      return group;
    };

    for (const select of Object.values(selects)) select.addEventListener("change", draw);
    addEventListener("resize", () => { if (place.clientWidth) draw(); });
    draw();
  }
})();
