/// The version of ONNX Runtime that is provisioned.
pub const VERSION: &str = "1.31.1";

/// One platform's wheel of ONNX Runtime on the Python package index, and the library in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
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
}

/// Every platform that has a pinned wheel.
pub const PINS: &[Pin] = &[
    Pin {
        platform: "linux-x86_64",
        tag: "manylinux_2_28_x86_64",
        wheel_sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: Some("fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"),
    },
    Pin {
        platform: "linux-aarch64",
        tag: "manylinux_2_28_aarch64",
        wheel_sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        library_sha256: None,
    },
    Pin {
        platform: "macos-aarch64",
        tag: "macosx_14_0_arm64",
        wheel_sha256: "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
        member: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
        library_sha256: None,
    },
    Pin {
        platform: "windows-x86_64",
        tag: "win_amd64",
        wheel_sha256: "c3d91b5de31e2fc82d71bd65b2b22bddee8b49057a3a36338e9a868e0ea90c05",
        member: "onnxruntime/capi/onnxruntime.dll",
        library_sha256: None,
    },
];

impl Pin {
    /// The pin of the platform that this binary was built for.
    pub fn current() -> Option<&'static Pin> {
        let platform = Self::current_platform();
        PINS.iter().find(|pin| pin.platform == platform)
    }

    /// Operating system and architecture that this binary was built for.
    pub fn current_platform() -> String {
        format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
    }

    /// The file name of the library.
    pub fn file_name(&self) -> &'static str {
        self.member.rsplit('/').next().expect("splitting yields at least one part")
    }

    /// The line that pip checks the wheel against.
    pub fn requirement(&self) -> String {
        format!("onnxruntime=={VERSION} --hash=sha256:{}", self.wheel_sha256)
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
