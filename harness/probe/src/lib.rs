//! Probes: how sensitive a classifier is, measured through an oracle. One file per probe, one line in the table.
