use super::unavailable;
use crate::Error;
use crate::error::loader_words;
use libloading::Library;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::fmt;
use std::sync::OnceLock;

/// The first GPU, as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// Its name.
    pub(crate) name: String,
    /// Its compute capability.
    pub(crate) capability: (i32, i32),
    /// The newest version of CUDA that the driver runs.
    pub(crate) cuda: (i32, i32),
    /// The driver's version, where the system tells.
    pub(crate) driver: Option<String>,
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((major, minor), (cuda, update)) = (self.capability, self.cuda);
        let driver = self.driver.as_deref().unwrap_or("of unknown version");
        write!(f, "{}, compute capability {major}.{minor}, driver {driver}, CUDA up to {cuda}.{update}", self.name)
    }
}

/// The GPU that sessions run on: the first that the driver shows.
///
/// Errors: there is no driver, or it shows no GPU.
pub(crate) fn gpu() -> Result<&'static Gpu, Error> {
    static GPU: OnceLock<Result<Gpu, Error>> = OnceLock::new();
    GPU.get_or_init(|| find("libcuda.so.1")).as_ref().map_err(Error::clone)
}

fn find(library: &str) -> Result<Gpu, Error> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(unavailable("it is supported on Linux with x86_64 only"));
    }
    let no_driver = |error: libloading::Error| {
        unavailable(format!(
            "there is no NVIDIA driver ({})\nhint: install it, or in a container pass the GPU on \
             (docker run --gpus all); `tinyassay doctor` shows what is found",
            loader_words(&error)
        ))
    };
    // SAFETY: Loading runs the initialisers of the system's own driver library.
    #[allow(unsafe_code)]
    let driver = unsafe { Library::new(library) }.map_err(no_driver)?;
    let answer = ask(&driver);
    // It stays loaded: the provider uses it next.
    std::mem::forget(driver);
    answer.map_err(|reason| unavailable(format!("{reason}\nhint: `nvidia-smi` should list a GPU")))
}

/// CUDA's answer for success.
const SUCCESS: c_int = 0;
/// The attributes of a device that hold its compute capability.
const CAPABILITY: [c_int; 2] = [75, 76];

/// Asks the driver for its version and its first device.
#[allow(unsafe_code)]
fn ask(driver: &Library) -> Result<Gpu, String> {
    let missing = |error: libloading::Error| format!("the NVIDIA driver is not complete ({})", loader_words(&error));
    // SAFETY: The symbols have these signatures in every release of CUDA's driver interface.
    let (init, version, count, get, name, attribute) = unsafe {
        (
            driver.get::<unsafe extern "C" fn(c_uint) -> c_int>(b"cuInit").map_err(missing)?,
            driver.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDriverGetVersion").map_err(missing)?,
            driver.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDeviceGetCount").map_err(missing)?,
            driver.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet").map_err(missing)?,
            driver
                .get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(b"cuDeviceGetName")
                .map_err(missing)?,
            driver
                .get::<unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int>(b"cuDeviceGetAttribute")
                .map_err(missing)?,
        )
    };
    let check = |what: &str, code: c_int| match code {
        SUCCESS => Ok(()),
        code => Err(format!("the NVIDIA driver fails: {what} returned error {code}")),
    };
    let (mut runs, mut devices, mut device, mut text) = (0, 0, 0, [0 as c_char; 256]);
    let mut capability = [0; 2];
    // SAFETY: Every pointer is to a variable that outlives its call, and the text is as long as it is said to be.
    unsafe {
        check("cuInit", init(0))?;
        check("cuDriverGetVersion", version(&mut runs))?;
        check("cuDeviceGetCount", count(&mut devices))?;
        if devices == 0 {
            return Err("the NVIDIA driver shows no GPU".to_owned());
        }
        check("cuDeviceGet", get(&mut device, 0))?;
        check("cuDeviceGetName", name(text.as_mut_ptr(), text.len() as c_int - 1, device))?;
        for (value, which) in capability.iter_mut().zip(CAPABILITY) {
            check("cuDeviceGetAttribute", attribute(value, which, device))?;
        }
    }
    // SAFETY: The last byte was left zero.
    let name = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
    let cuda = (runs / 1000, runs % 1000 / 10);
    Ok(Gpu { name, capability: (capability[0], capability[1]), cuda, driver: driver_version() })
}

fn driver_version() -> Option<String> {
    let version = std::fs::read_to_string("/sys/module/nvidia/version").ok();
    let version = version.or_else(|| {
        let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
    });
    version.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_driver_the_error_names_its_library_and_a_remedy() {
        let text = find("libcuda-that-is-not-there.so.1").unwrap_err().to_string();
        assert!(text.starts_with("use provider `cuda`: there is no NVIDIA driver"), "{text}");
        assert!(text.contains("libcuda-that-is-not-there.so.1") && text.contains("hint: "), "{text}");
    }

    #[test]
    fn a_library_that_is_no_driver_is_told() {
        let text = find("libc.so.6").unwrap_err().to_string();
        assert!(text.contains("not complete") && text.contains("cuInit"), "{text}");
    }

    #[test]
    fn a_gpu_is_told_with_everything_that_results_depend_on() {
        let gpu = Gpu { name: "NVIDIA X".into(), capability: (9, 0), cuda: (13, 0), driver: Some("580.65".into()) };
        assert_eq!(gpu.to_string(), "NVIDIA X, compute capability 9.0, driver 580.65, CUDA up to 13.0");
    }
}
