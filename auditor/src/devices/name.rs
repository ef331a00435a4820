//! What people call a device.

use std::fmt;
use std::str::FromStr;

/// A device's name: it stands in its certificate as the common name, which has at most 64 characters (RFC 5280, appendix
/// A.1, ub-common-name).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName(String);

/// A text is no name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device's name is 1 to 64 characters that can be printed, in one line")]
pub struct DeviceNameError;

impl DeviceName {
    /// Reads a name; blanks around it do not count.
    pub fn parse(text: &str) -> Result<Self, DeviceNameError> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= 64 && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(DeviceNameError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DeviceName {
    type Err = DeviceNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_that_a_certificate_takes() {
        assert_eq!(DeviceName::parse(" Avd 3, rum 2 ").map(|name| name.to_string()), Ok("Avd 3, rum 2".to_owned()));
        assert!(DeviceName::parse(&"å".repeat(64)).is_ok());
        for bad in ["", "  ", "a\nb", "a\0", &"å".repeat(65)] {
            assert_eq!(DeviceName::parse(bad), Err(DeviceNameError), "{bad:?}");
        }
    }
}
