//! A list of passwords that were stolen elsewhere: SHA-1 in hexadecimal, sorted, one a line, with `:COUNT` behind it or not.
//! "Have I been pwned" gives such lists, ordered by hash. The file is searched where it lies, whatever its size.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

const DIGITS: usize = 40;
/// No line of such a list is longer, in bytes.
const LINE_MAX: u64 = 80;
/// When so few bytes are left they are read one line after the other.
const NEAR: u64 = 4096;

/// Why a list is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BreachedError {
    /// It cannot be read.
    #[error("the list of stolen passwords {} cannot be read", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// A line is none of such a list.
    #[error(
        "the list of stolen passwords {} has a line near byte {} that is not SHA-1 in 40 hexadecimal digits, sorted, as HASH or \
         HASH:COUNT",
        .0.display(), .1
    )]
    Form(PathBuf, u64),
}

/// The list.
#[derive(Debug)]
pub struct Breached {
    path: PathBuf,
    file: BufReader<File>,
    bytes: u64,
}

impl Breached {
    /// Opens a list, and looks whether its first line is one.
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let failed = |error| BreachedError::Io(path.to_owned(), error);
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut list = Self { path: path.to_owned(), file: BufReader::new(file), bytes };
        list.seek(0)?;
        list.line(0)?;
        Ok(list)
    }

    /// Whether a password is in it.
    pub fn has(&mut self, password: &str) -> Result<bool, BreachedError> {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let wanted: [u8; DIGITS] = {
            let mut digits = [0; DIGITS];
            let all = hex::encode_upper(hash.as_ref());
            digits.copy_from_slice(all.as_bytes());
            digits
        };
        // What is wanted begins at `low` or behind it, and before `high`. A line begins at `low`.
        let (mut low, mut high) = (0, self.bytes);
        while high - low > NEAR {
            let middle = low + (high - low) / 2;
            self.seek(middle)?;
            let begins = middle + self.rest_of_line(middle)?;
            // A line may begin in the middle itself, and was passed over.
            match self.line(begins)? {
                Some((found, _)) if found <= wanted => low = begins,
                _ => high = begins,
            }
        }
        self.seek(low)?;
        let (mut at, mut last) = (low, None);
        while let Some((found, length)) = self.line(at)? {
            if found >= wanted {
                return Ok(found == wanted);
            }
            if last.is_some_and(|last| found < last) {
                return Err(BreachedError::Form(self.path.clone(), at));
            }
            (at, last) = (at + length, Some(found));
        }
        Ok(false)
    }

    fn seek(&mut self, to: u64) -> Result<(), BreachedError> {
        self.file.seek(SeekFrom::Start(to)).map(drop).map_err(|error| BreachedError::Io(self.path.clone(), error))
    }

    /// Passes over what is left of a line, and gives its length.
    fn rest_of_line(&mut self, at: u64) -> Result<u64, BreachedError> {
        let mut rest = Vec::new();
        let read = (&mut self.file).take(LINE_MAX).read_until(b'\n', &mut rest);
        let read = read.map_err(|error| BreachedError::Io(self.path.clone(), error))?;
        let ends = rest.ends_with(b"\n") || at + read as u64 == self.bytes;
        if ends { Ok(read as u64) } else { Err(BreachedError::Form(self.path.clone(), at)) }
    }

    /// The next line's hash, and the line's length; none at the end.
    fn line(&mut self, at: u64) -> Result<Option<([u8; DIGITS], u64)>, BreachedError> {
        let form = || BreachedError::Form(self.path.clone(), at);
        let mut line = Vec::new();
        let read = (&mut self.file).take(LINE_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|error| BreachedError::Io(self.path.clone(), error))?;
        if read == 0 {
            return Ok(None);
        }
        let (digits, rest) = line.split_at_checked(DIGITS).ok_or_else(form)?;
        let ends = line.ends_with(b"\n") || at + read as u64 == self.bytes;
        let rest = rest.trim_ascii_end();
        let counted =
            rest.is_empty() || rest.strip_prefix(b":").is_some_and(|count| count.iter().all(u8::is_ascii_digit));
        if !ends || !counted || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(form());
        }
        let mut hash = [0; DIGITS];
        hash.copy_from_slice(digits);
        hash.make_ascii_uppercase();
        Ok(Some((hash, read as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn hash(password: &str) -> String {
        hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref())
    }

    fn list(count: usize, write: impl Fn(&mut String, usize, &str)) -> tempfile::NamedTempFile {
        let mut hashes: Vec<String> = (0..count).map(|number| hash(&format!("stolen {number}"))).collect();
        hashes.sort();
        let mut text = String::new();
        for (number, hash) in hashes.iter().enumerate() {
            write(&mut text, number, hash);
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("writes");
        file
    }

    #[test]
    fn each_that_is_in_it_is_found_and_no_other() {
        type Write = fn(&mut String, usize, &str);
        let forms: [Write; 4] = [
            |text, _, hash| writeln!(text, "{hash}").expect("writes"),
            |text, number, hash| write!(text, "{hash}:{}\r\n", number * 7919).expect("writes"),
            |text, _, hash| writeln!(text, "{}", hash.to_lowercase()).expect("writes"),
            // The last line has no end.
            |text, number, hash| write!(text, "{}{hash}:1", if number == 0 { "" } else { "\n" }).expect("writes"),
        ];
        for form in forms {
            for count in [1, 2, 90, 2000] {
                let file = list(count, form);
                let mut list = Breached::open(file.path()).expect("opens");
                for number in 0..count {
                    assert!(list.has(&format!("stolen {number}")).expect("reads"), "{number} of {count}");
                    assert!(!list.has(&format!("own {number}")).expect("reads"), "{number} of {count}");
                }
            }
        }
        let file = list(0, |_, _, _| {});
        assert!(!Breached::open(file.path()).expect("opens").has("x").expect("reads"));
    }

    #[test]
    fn what_is_no_such_list_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for text in
            ["password\n123456\n", &"A".repeat(500), &format!("{}:x\n", hash("a")), &format!("{}0\n", hash("a"))]
        {
            std::fs::write(file.path(), text).expect("writes");
            let error = Breached::open(file.path()).expect_err("no list").to_string();
            assert!(error.contains("near byte 0") && !error.contains("AAAA"), "{error}");
        }
        // The hash of "x" is larger than both.
        std::fs::write(file.path(), format!("{:0>40}\n{:0>40}\n", 2, 1)).expect("writes");
        assert!(matches!(Breached::open(file.path()).expect("opens").has("x"), Err(BreachedError::Form(_, 41))));
        assert!(matches!(Breached::open(Path::new("/nowhere")), Err(BreachedError::Io(..))));
    }
}
