use super::Build;

/// The version of ONNX Runtime that is provisioned.
pub const VERSION: &str = "1.31.1";

/// One platform's wheel of ONNX Runtime on the Python package index, and the library in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The build.
    pub build: Build,
    /// Operating system and architecture, as the cache folder is named.
    pub platform: &'static str,
    /// The wheel's platform tag.
    pub tag: &'static str,
    /// SHA-256 of the wheel.
    pub wheel_sha256: &'static str,
    /// The library's path inside the wheel.
    pub member: &'static str,
    /// SHA-256 of the library; where there is none, the library of a verified wheel is trusted and its digest recorded.
    pub library_sha256: Option<&'static str>,
    /// Paths inside the wheel and SHA-256 of the files that must lie beside the library.
    pub companions: &'static [(&'static str, &'static str)],
}

/// Every platform and build that has a pinned wheel.
pub const PINS: &[Pin] = &[
    Pin {
        build: Build::Cpu,
        platform: "linux-x86_64",
        tag: "manylinux_2_28_x86_64",
        wheel_sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: Some("fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"),
        companions: &[],
    },
    Pin {
        build: Build::Cpu,
        platform: "linux-aarch64",
        tag: "manylinux_2_28_aarch64",
        wheel_sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: None,
        companions: &[],
    },
    Pin {
        build: Build::Cpu,
        platform: "macos-aarch64",
        tag: "macosx_14_0_arm64",
        wheel_sha256: "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
        member: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
        library_sha256: None,
        companions: &[],
    },
    Pin {
        build: Build::Cpu,
        platform: "windows-x86_64",
        tag: "win_amd64",
        wheel_sha256: "c3d91b5de31e2fc82d71bd65b2b22bddee8b49057a3a36338e9a868e0ea90c05",
        member: "onnxruntime/capi/onnxruntime.dll",
        library_sha256: None,
        companions: &[],
    },
    Pin {
        build: Build::Cuda,
        platform: "linux-x86_64",
        tag: "manylinux_2_28_x86_64",
        wheel_sha256: "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: Some("5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303"),
        companions: &[
            (
                "onnxruntime/capi/libonnxruntime_providers_shared.so",
                "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
            ),
            (
                "onnxruntime/capi/libonnxruntime_providers_cuda.so",
                "d5290158115fa5569a3fe8f1f4037ee9b0e86658a96e52f852bbb7039aa88137",
            ),
        ],
    },
];

/// The last part of a path inside a wheel.
pub(super) fn base_name(member: &'static str) -> &'static str {
    member.rsplit('/').next().expect("splitting yields at least one part")
}

impl Pin {
    /// The pin of a build for the platform that this binary was built for.
    pub fn current(build: Build) -> Option<&'static Pin> {
        let platform = Self::current_platform();
        PINS.iter().find(|pin| pin.platform == platform && pin.build == build)
    }

    /// The package on the Python package index.
    pub fn package(&self) -> &'static str {
        match self.build {
            Build::Cpu => "onnxruntime",
            Build::Cuda => "onnxruntime-gpu",
        }
    }

    /// The size of the wheel in words.
    pub fn size(&self) -> &'static str {
        match self.build {
            Build::Cpu => "24 MB",
            Build::Cuda => "256 MB",
        }
    }

    /// Operating system and architecture that this binary was built for.
    pub fn current_platform() -> String {
        format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
    }

    /// The file name of the library.
    pub fn file_name(&self) -> &'static str {
        base_name(self.member)
    }

    /// The line that pip checks the wheel against.
    pub fn requirement(&self) -> String {
        format!("{}=={VERSION} --hash=sha256:{}", self.package(), self.wheel_sha256)
    }

    /// The options that make pip choose this wheel whatever Python it runs on.
    pub fn selection(&self) -> Vec<&'static str> {
        let tag = self.tag;
        vec![
            "--no-deps",
            "--only-binary=:all:",
            "--platform",
            tag,
            "--python-version",
            "3.11",
            "--implementation",
            "cp",
            "--abi",
            "cp311",
        ]
    }
}
