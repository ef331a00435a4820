//! Just enough reading of SQL to route a statement and to keep it inside the engine.
//!
//! Two questions are answered here. Where does an `INSERT` stop and its data begin, and in which format is the answer
//! wanted? And: does the text name anything that reaches outside the data directory (a file, another host, a program)?
//! The engine's own `readonly` mode answers the second one for table functions in a `SELECT`, but not for the scalar
//! function `file()`, nor for anything that must be allowed to write. So the tokens are checked.
//!
//! A check on tokens holds only if both sides cut the text alike. Where ClickHouse's lexer has corners that a second
//! lexer could get wrong (heredocs, `#` comments, typographic quotes, comments in comments), the text is refused
//! rather than guessed at. Everything else errs on the side of seeing a name where there might be one.
//!
//! Not here: whether the statement is valid. The engine says that.

mod lexer;

use std::collections::HashSet;

use self::lexer::{Kind, Lexer, Token};

/// Why a text was refused before the engine saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A corner of the lexer that is not worth the risk.
    #[error("Code: 62. DB::Exception: {0} are not supported by this server. (SYNTAX_ERROR)")]
    Unsupported(&'static str),
    /// A string or comment without its end.
    #[error("Code: 62. DB::Exception: A string or a comment is not closed. (SYNTAX_ERROR)")]
    NotClosed,
    /// A setting that protects the server.
    #[error("Code: 452. DB::Exception: A setting in the query is fixed on this server. (SETTING_CONSTRAINT_VIOLATION)")]
    Fixed,
    /// Something that reaches outside.
    #[error("Code: 497. DB::Exception: {0} reach outside this server and are refused. (ACCESS_DENIED)")]
    Outside(&'static str),
}

/// A statement, cut as far as the server needs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement<'a> {
    /// `INSERT … FORMAT x` or `INSERT … VALUES`, with data to follow.
    Insert {
        /// The statement up to `FORMAT` or `VALUES`.
        head: &'a [u8],
        /// The format of the data.
        format: String,
        /// The first data, as far as it stands in the same text.
        data: &'a [u8],
    },
    /// Any other statement.
    Other(Shape),
}

/// What is worth knowing of a statement that is not an insert with data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) form: Form,
    /// The name after the last `FORMAT`.
    pub(crate) format: Option<String>,
    /// Has totals or extremes, which stand apart from the rows.
    pub(crate) totals: bool,
    /// Brings settings of its own.
    pub(crate) settings: bool,
}

/// How a statement begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Like a SELECT.
    Select,
    /// `CREATE FUNCTION x AS …` or `DROP FUNCTION`: a function written in SQL.
    SqlFunction,
    #[default]
    Other,
}

/// The names that a statement must not call, taken from the engine itself at start.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    refused: HashSet<String>,
}

/// Table functions that make up their rows or read what the server holds anyway.
const TABLE_FUNCTIONS_ALLOWED: &[&str] = &[
    "dictionary",
    // Parses what stands in its own argument; also the name of a string function.
    "format",
    "generate_series",
    "generaterandom",
    "generateseries",
    "input",
    "loop",
    "merge",
    "mergetreeanalyzeindexes",
    "mergetreeindex",
    "mergetreeprojection",
    "mergetreetextindex",
    "null",
    "numbers",
    "numbers_mt",
    "primes",
    "sqlstandardvalues",
    "values",
    "view",
    "viewifpermitted",
    "zeros",
    "zeros_mt",
];

/// Functions and clauses with parentheses that reach outside although no table function has their name.
const CALLS_REFUSED: &[&str] = &["file", "executable", "catboostevaluate", "disk"];

/// Engines of tables and databases that live in the data directory or in memory.
const ENGINES_ALLOWED: &[&str] = &[
    "atomic",
    "buffer",
    "dictionary",
    "join",
    "log",
    "materializedview",
    "memory",
    "merge",
    "null",
    "set",
    "stripelog",
    "tinylog",
    "view",
];

impl Fence {
    /// A fence around the given table functions, but for those known to be harmless: one that a newer engine adds is
    /// refused until somebody has looked at it. Of the scalar functions, the ones that ask a language model.
    pub(crate) fn new(table_functions: impl Iterator<Item = String>, functions: impl Iterator<Item = String>) -> Self {
        let lower = |name: String| name.to_ascii_lowercase();
        let refused = table_functions
            .map(lower)
            .filter(|name| !TABLE_FUNCTIONS_ALLOWED.contains(&name.as_str()))
            .chain(functions.map(lower).filter(|name| name.starts_with("ai")))
            .chain(CALLS_REFUSED.iter().map(|name| (*name).to_owned()))
            .collect();
        Self { refused }
    }

    /// How many names are refused.
    pub(crate) fn len(&self) -> usize {
        self.refused.len()
    }

    /// Cuts a statement and checks that it stays inside.
    pub(crate) fn read<'a>(&self, sql: &'a [u8]) -> Result<Statement<'a>, Error> {
        let mut tokens: Vec<Token<'a>> = Vec::new();
        let mut lexer = Lexer { sql, position: 0 };
        let mut depth = 0_usize;
        // An insert's data follows its statement without a border that a lexer could see: stop in time.
        let mut insert = false;
        let mut pending_format = false;
        while let Some(token) = lexer.next()? {
            if tokens.is_empty() {
                insert = token.is_word("INSERT");
            }
            if token.is_sign(b'(') {
                depth += 1;
            } else if token.is_sign(b')') {
                depth = depth.saturating_sub(1);
            }
            if insert && depth == 0 && tokens.len() > 1 {
                let before = tokens.last();
                let names_something =
                    before.is_some_and(|b| b.is_sign(b'.') || b.is_word("INTO") || b.is_word("TABLE"));
                if pending_format && token.kind == Kind::Word {
                    let head = before.and_then(|format| sql.get(..format.start)).unwrap_or_default();
                    tokens.pop();
                    self.check(&tokens)?;
                    let data = sql.get(token.end..).unwrap_or_default();
                    return Ok(Statement::Insert {
                        head,
                        format: String::from_utf8_lossy(token.text).into_owned(),
                        data: data_after_format(data),
                    });
                }
                pending_format = !names_something && token.is_word("FORMAT");
                if !names_something && token.is_word("VALUES") {
                    self.check(&tokens)?;
                    let head = sql.get(..token.start).unwrap_or_default();
                    let data = sql.get(token.end..).unwrap_or_default();
                    return Ok(Statement::Insert { head, format: "Values".to_owned(), data });
                }
                if !names_something && (token.is_word("SELECT") || token.is_word("WITH")) {
                    insert = false;
                }
            }
            tokens.push(token);
        }
        self.check(&tokens)?;
        Ok(Statement::Other(shape(&tokens)))
    }

    /// Refuses whatever reaches outside.
    fn check(&self, tokens: &[Token<'_>]) -> Result<(), Error> {
        let mut settings = false;
        for (index, token) in tokens.iter().enumerate() {
            let rest = tokens.get(index + 1..).unwrap_or_default();
            settings |= begins_settings(tokens, index);
            if settings
                && rest.first().is_some_and(|next| next.is_sign(b'='))
                && token.name().is_some_and(|name| setting_fixed(&name))
            {
                return Err(Error::Fixed);
            }
            let called = rest.first().is_some_and(|next| next.is_sign(b'('));
            if token.is_word("INFILE") || token.is_word("OUTFILE") {
                return Err(Error::Outside("Files"));
            }
            if called && token.name().is_some_and(|name| self.refused.contains(&name)) {
                return Err(Error::Outside("The file, network and program functions"));
            }
            if called && token.is_sign(b'}') && !tokens.first().is_some_and(|first| first.is_word("INSERT")) {
                return Err(Error::Unsupported("Parameters in place of a function's name"));
            }
            if token.is_word("ENGINE") && !engine_allowed(rest) {
                return Err(Error::Outside(
                    "The table and database engines other than MergeTree, Log, Memory and views",
                ));
            }
            if token.is_word("SOURCE") && called && !source_allowed(rest) {
                return Err(Error::Outside("The dictionary sources other than this server's own tables"));
            }
        }
        Ok(())
    }
}

/// Whether a setting is not for clients, in the URL or in a text: it would lift the read-only mode, make the engine read
/// the text in another language than the check did, open introspection, or reach outside.
pub(crate) fn setting_fixed(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "readonly",
        "dialect",
        "allow_ddl",
        "allow_introspection_functions",
        "log_queries",
        "user",
        "password",
        "input_format_record_errors_file_path",
        "rename_files_after_processing",
        "allow_archive_path_syntax",
    ];
    const PREFIXES: &[&str] = &[
        "s3_",
        "hdfs_",
        "azure_",
        "backup_",
        "restore_",
        "engine_file_",
        "engine_url_",
        "dynamic_disk_",
        "external_storage_",
        "format_schema",
        "format_avro_schema_registry",
        "into_outfile_",
        "jemalloc_",
        "polyglot_",
        "ai_",
    ];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// `ENGINE`, an equals sign that may be left out, and a name. A column may be called engine, so anything but a name passes.
fn engine_allowed(rest: &[Token<'_>]) -> bool {
    let mut rest = rest.iter();
    let mut next = rest.next();
    let equals = next.is_some_and(|token| token.is_sign(b'='));
    if equals {
        next = rest.next();
    }
    let Some(name) = next.and_then(Token::name) else {
        return true;
    };
    // `engine` as a column of system.tables: `SELECT engine FROM`, `engine AS`; such a word is never an engine's name.
    let known = name.ends_with("mergetree") || ENGINES_ALLOWED.contains(&name.as_str());
    known
        || (!equals
            && matches!(
                name.as_str(),
                "from" | "as" | "in" | "like" | "not" | "and" | "or" | "order" | "limit" | "format" | "desc" | "asc"
            ))
}

/// `SOURCE(CLICKHOUSE(…))` without a host, or `SOURCE(NULL())`.
fn source_allowed(rest: &[Token<'_>]) -> bool {
    let kind = rest.get(1).and_then(Token::name);
    match kind.as_deref() {
        Some("null") => true,
        Some("clickhouse") => {
            let mut depth = 0_usize;
            for token in rest {
                if token.is_sign(b'(') {
                    depth += 1;
                } else if token.is_sign(b')') {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return true;
                    }
                } else if matches!(token.name().as_deref(), Some("host" | "port" | "name" | "secure")) {
                    return false;
                }
            }
            false
        }
        _ => false,
    }
}

fn shape(tokens: &[Token<'_>]) -> Shape {
    let mut shape = Shape {
        form: form(tokens),
        settings: tokens.iter().enumerate().any(|(index, _)| begins_settings(tokens, index)),
        ..Shape::default()
    };
    for (index, token) in tokens.iter().enumerate() {
        if token.is_word("TOTALS") || token.is_word("EXTREMES") {
            shape.totals = true;
        }
        if token.is_word("FORMAT")
            && let Some(format) = tokens.get(index + 1)
            && format.kind == Kind::Word
            && tokens.get(index + 2).is_none_or(|next| next.is_sign(b';') || next.is_word("SETTINGS"))
        {
            shape.format = Some(String::from_utf8_lossy(format.text).into_owned());
        }
    }
    shape
}

fn form(tokens: &[Token<'_>]) -> Form {
    let word = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is_word(word));
    let first = tokens.iter().find(|token| !token.is_sign(b'('));
    if first.is_some_and(|token| token.is_word("SELECT") || token.is_word("WITH")) {
        return Form::Select;
    }
    let name = match (word(0, "CREATE"), word(1, "OR") && word(2, "REPLACE")) {
        (true, true) => 3,
        (true, false) => 1,
        _ if word(0, "DROP") && word(1, "FUNCTION") => return Form::SqlFunction,
        _ => return Form::Other,
    };
    let after = if word(name + 1, "IF") { name + 4 } else { name + 1 };
    if word(name, "FUNCTION") && word(after + 1, "AS") { Form::SqlFunction } else { Form::Other }
}

/// A `SETTINGS` clause, and not the table `system.settings`.
fn begins_settings(tokens: &[Token<'_>], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    tokens.get(index).is_some_and(|token| token.is_word("SETTINGS"))
        && !before.is_some_and(|before| before.is_sign(b'.'))
}

/// Data begins after spaces and at most one line break, as in ClickHouse.
fn data_after_format(mut data: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\x0c', rest @ ..] = data {
        data = rest;
    }
    data = data.strip_prefix(b";").unwrap_or(data);
    data = data.strip_prefix(b"\r").unwrap_or(data);
    data.strip_prefix(b"\n").unwrap_or(data)
}

#[cfg(test)]
mod tests;
