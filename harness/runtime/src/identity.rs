use crate::provision::Build;
use crate::{Env, Error, cuda, env};
use graph::Profile;
use std::fmt;

/// Where graphs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// ONNX Runtime's CPU execution provider.
    #[default]
    Cpu,
    /// ONNX Runtime's CUDA execution provider, on the first NVIDIA GPU.
    Cuda,
}

impl Provider {
    /// Every provider.
    pub const ALL: &[Provider] = &[Provider::Cpu, Provider::Cuda];

    /// Whether this process can run on it. Loads ONNX Runtime and, for CUDA, the libraries that it needs.
    ///
    /// Errors: it cannot; the message says why, and the remedy.
    pub fn require(self) -> Result<(), Error> {
        match self {
            Provider::Cpu => Ok(()),
            Provider::Cuda => cuda::require(),
        }
    }

    /// Whether this machine has what it runs on, asked before anything is downloaded for it.
    ///
    /// Errors: there is no GPU, or no driver for it.
    pub fn require_hardware(self) -> Result<(), Error> {
        match self {
            Provider::Cpu => Ok(()),
            Provider::Cuda => cuda::gpu().map(|_| ()),
        }
    }

    /// The build of ONNX Runtime that has it.
    pub fn build(self) -> Build {
        match self {
            Provider::Cpu => Build::Cpu,
            Provider::Cuda => Build::Cuda,
        }
    }

    /// The form of our own graphs that runs best on it.
    pub fn profile(self) -> Profile {
        match self {
            Provider::Cpu => Profile::Cpu,
            Provider::Cuda => Profile::Portable,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
        })
    }
}

impl std::str::FromStr for Provider {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|provider| provider.to_string() == text).ok_or_else(|| {
            let reason = "it is not known, the providers are `cpu` and `cuda`".to_owned();
            Error::ProviderUnavailable { provider: text.to_owned(), reason }
        })
    }
}

/// What results depend on besides the bytes of model and data: equal identities give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The execution provider.
    pub provider: String,
    /// The version of ONNX Runtime.
    pub onnxruntime: String,
    /// SHA-256 of its library in hexadecimal.
    pub library_sha256: String,
    /// The class of instruction sets that its kernels are chosen by.
    pub instruction_set: String,
    /// The graph optimisation level of the judge, and what differs for graphs of our own.
    pub optimisation: String,
    /// The GPU, its driver, the libraries on it and the provider's options; `None` on the CPU.
    pub device: Option<String>,
}

/// The identity of this process on a provider.
///
/// Errors: ONNX Runtime cannot be loaded, or the provider is not available.
pub fn identity(provider: Provider) -> Result<Identity, Error> {
    provider.require()?;
    let env = env()?;
    Ok(Identity {
        provider: provider.to_string(),
        onnxruntime: env.version().to_owned(),
        library_sha256: env.library().sha256.clone(),
        instruction_set: instruction_set(),
        optimisation: "all; own graphs without qdq fusion".to_owned(),
        device: match provider {
            Provider::Cpu => None,
            Provider::Cuda => Some(cuda_device(env)?),
        },
    })
}

fn cuda_device(env: &Env) -> Result<String, Error> {
    let cudnn = cuda::cudnn_version().unwrap_or_else(|| "of unknown version".to_owned());
    let libraries = env.library().companions.iter().map(|(name, sha256)| format!("; {name} {sha256}"));
    let (gpu, settings) = (cuda::gpu()?, cuda::settings()?);
    Ok(format!("{gpu}; cuDNN {cudnn}; {settings}{}", libraries.collect::<String>()))
}

/// `vnni` is part of the class because int8 products saturate without it.
#[cfg(target_arch = "x86_64")]
fn instruction_set() -> String {
    use std::is_x86_feature_detected as has;
    let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    let (class, vnni) = if avx512 {
        ("avx512", has!("avx512vnni"))
    } else if has!("avx2") && has!("fma") {
        ("avx2", has!("avxvnni"))
    } else if has!("avx") {
        ("avx", false)
    } else {
        ("sse", false)
    };
    format!("{class}{}", if vnni { "-vnni" } else { "" })
}

#[cfg(target_arch = "aarch64")]
fn instruction_set() -> String {
    let sve = std::arch::is_aarch64_feature_detected!("sve");
    if sve { "neon-sve".to_owned() } else { "neon".to_owned() }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instruction_set() -> String {
    std::env::consts::ARCH.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_the_cpu_is_complete_and_repeatable() {
        let found = identity(Provider::Cpu).unwrap();
        assert_eq!(found, identity(Provider::Cpu).unwrap());
        assert_eq!(found.provider, "cpu");
        assert_eq!(found.library_sha256.len(), 64);
        assert!(!found.onnxruntime.is_empty() && !found.instruction_set.is_empty());
    }

    #[test]
    fn cuda_is_there_or_refused_clearly() {
        match identity(Provider::Cuda) {
            Ok(found) => assert!(found.device.unwrap().contains("use_tf32=0")),
            Err(error) => assert!(error.to_string().starts_with("use provider `cuda`: "), "{error}"),
        }
        assert_eq!("cuda".parse::<Provider>().unwrap(), Provider::Cuda);
        assert!("tpu".parse::<Provider>().unwrap_err().to_string().contains("`cpu` and `cuda`"));
    }
}
