use serde::{Deserialize, Serialize};

/// The machine and the way that the model ran on it, as far as they explain a latency. No name of a host is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// What the processor calls itself, where the system says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Logical processors.
    pub cpus: u64,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// What governs the frequency, where the system says it: `performance`, `powersave`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// The highest frequency in MHz, where the system says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_mhz: Option<f64>,
    /// The execution provider.
    pub provider: String,
    /// The GPU and its driver, for a provider that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The version of ONNX Runtime.
    pub onnxruntime: String,
    /// Threads that share the work of one operator. They sleep between two operators and do not spin.
    pub threads: u64,
    /// Rows of one inference: 1.
    pub batch: u64,
}

/// The processor's name in the text of Linux's `/proc/cpuinfo`.
pub fn cpu_model(cpuinfo: &str) -> Option<String> {
    let value = |wanted: &str| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, value)| key.trim() == wanted && !value.trim().is_empty()).map(|(_, value)| value.trim())
    };
    // Those of Arm mostly have no name there, but a board does.
    ["model name", "Hardware", "Model", "cpu"].into_iter().find_map(value).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::cpu_model;

    #[test]
    fn the_name_of_the_processor_is_found() {
        let x86 = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: Some CPU @ 2.00GHz\nflags\t: a b\n";
        let pi = "processor\t: 0\nCPU implementer\t: 0x41\nHardware\t:\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n";
        let power = "processor\t: 0\ncpu\t\t: POWER9\n";
        assert_eq!(cpu_model(x86).as_deref(), Some("Some CPU @ 2.00GHz"));
        assert_eq!(cpu_model(pi).as_deref(), Some("Raspberry Pi 4 Model B Rev 1.1"));
        assert_eq!(cpu_model(power).as_deref(), Some("POWER9"));
        assert_eq!(cpu_model("processor: 0\n"), None);
    }
}
