//! The files of a catalog: YAML and JSON, each error with its line; and schemas with what they
//! refer to in other files, bundled into one document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_saphyr::{DefaultMessageFormatter, Error as YamlError, MessageFormatter};

use super::error::{CatalogError, Place};
use crate::schema::pointer::escape;
use crate::suggest::did_you_mean;
use crate::utf8;

/// Reads a YAML or JSON file, by its extension.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<T, CatalogError> {
    let text = utf8::read_marked(file).map_err(|source| CatalogError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    parse(file, &text)
}

/// Reads the text of a file; its path says what it is and stands in errors.
pub(super) fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, CatalogError> {
    let place = |line| Place {
        file: file.into(),
        line,
    };
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return serde_json::from_str(text)
            .map_err(|error| place(error.line() as u64).error(error.to_string()));
    }
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error
            .location()
            .map(|location| location.line())
            .unwrap_or_default();
        place(line).error(message(&error))
    })
}

fn message(error: &YamlError) -> String {
    match error {
        YamlError::SerdeUnknownField {
            field, expected, ..
        } => {
            format!(
                "unknown key `{field}`{}",
                did_you_mean(field, expected.iter().copied())
            )
        }
        YamlError::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            format!(
                "unknown word `{variant}`{}",
                did_you_mean(variant, expected.iter().copied())
            )
        }
        YamlError::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        YamlError::DuplicateMappingKey { key, .. } => {
            format!(
                "the key `{}` stands here twice",
                key.as_deref().unwrap_or_default()
            )
        }
        YamlError::Unexpected {
            expected: "mapping start",
            ..
        } => "here belong keys with values, such as `key: value`".to_owned(),
        YamlError::Unexpected {
            expected: "sequence start",
            ..
        } => "here belongs a list, such as `[one, two]`".to_owned(),
        other => DefaultMessageFormatter.format_message(other).into_owned(),
    }
}

/// A value written inline, or the content of the file that it names, relative to the file it is
/// written in. Returns the place of the value itself.
pub(super) fn inline_or_file(value: Value, place: Place) -> Result<(Value, Place), CatalogError> {
    let Value::String(path) = value else {
        return Ok((value, place));
    };
    let file = beside(&place.file, &path);
    if !file.is_file() {
        return Err(place.error(format!("there is no file `{}`", file.display())));
    }
    let value = read(&file)?;
    Ok((
        value,
        Place {
            file: file.into(),
            line: 0,
        },
    ))
}

/// `path`, relative to the folder of `file`.
pub(super) fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or_else(|| Path::new("")).join(path)
}

/// Puts the schemas of other files that `schema` refers to into its `$defs`, and lets the
/// references lead there.
pub(super) fn bundle(mut schema: Value, place: &Place) -> Result<Value, CatalogError> {
    let mut bundle = Bundle {
        root: Arc::clone(&place.file),
        files: BTreeMap::new(),
        place,
    };
    let file = Arc::clone(&place.file);
    bundle.visit(&mut schema, &file, "#")?;
    if let Value::Object(keywords) = &mut schema {
        add_definitions(keywords, bundle.files);
    }
    Ok(schema)
}

/// Puts `schema` into `into`'s `$defs` as `name`, where references to `name` find it.
pub(super) fn embed(into: &mut Value, name: &str, mut schema: Value) {
    reroot(&mut schema, &format!("#/$defs/{}", escape(name)));
    let identified = match schema {
        Value::Object(mut keywords) => {
            keywords.insert("$id".to_owned(), name.into());
            Value::Object(keywords)
        }
        boolean => serde_json::json!({"$id": name, "allOf": [boolean]}),
    };
    if let Value::Object(keywords) = into {
        add_definitions(keywords, BTreeMap::from([(name.to_owned(), identified)]));
    }
}

fn add_definitions(keywords: &mut Map<String, Value>, more: BTreeMap<String, Value>) {
    if more.is_empty() {
        return;
    }
    let definitions = keywords
        .entry("$defs")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(definitions) = definitions {
        definitions.extend(more);
    }
}

struct Bundle<'a> {
    /// The file of the schema that everything is bundled into.
    root: Arc<Path>,
    /// The other files' schemas, by path.
    files: BTreeMap<String, Value>,
    place: &'a Place,
}

impl Bundle<'_> {
    /// Lets every reference within `value`, which stands in `file`, lead to where its target will
    /// be; `base` is where the root of `file` will be.
    fn visit(&mut self, value: &mut Value, file: &Path, base: &str) -> Result<(), CatalogError> {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(reference) if name == "$ref" => {
                            *reference = self.target(reference, file, base)?;
                        }
                        other => self.visit(other, file, base)?,
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.visit(item, file, base)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn target(&mut self, reference: &str, file: &Path, base: &str) -> Result<String, CatalogError> {
        let (path, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let is_pointer = fragment.is_empty() || fragment.starts_with('/');
        if path.is_empty() && is_pointer {
            return Ok(format!("{base}{fragment}"));
        }
        let target = beside(file, path);
        if path.is_empty() || !target.is_file() {
            // An anchor or the `$id` of something in this document, or an error that reading the
            // schema will find.
            return Ok(reference.to_owned());
        }
        if *target == *self.root {
            return Ok(format!("#{fragment}"));
        }
        Ok(format!("{}{fragment}", self.include(&target)?))
    }

    /// Reads a file into the bundle, unless it is there, and returns where it is.
    fn include(&mut self, file: &Path) -> Result<String, CatalogError> {
        let name = file.display().to_string();
        let base = format!("#/$defs/{}", escape(&name));
        if !self.files.contains_key(&name) {
            self.files.insert(name.clone(), Value::Bool(true));
            let mut schema: Value = read(file)?;
            if schema.is_array() || schema.is_string() {
                return Err(self.place.error(format!(
                    "`{name}`, which the schema refers to, is no schema"
                )));
            }
            self.visit(&mut schema, file, &base)?;
            self.files.insert(name, schema);
        }
        Ok(base)
    }
}

/// Lets a schema's references to places within itself lead to the same places below `base`.
fn reroot(value: &mut Value, base: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(reference) if name == "$ref" => {
                        let within = reference.strip_prefix('#');
                        if let Some(pointer) =
                            within.filter(|rest| rest.is_empty() || rest.starts_with('/'))
                        {
                            *reference = format!("{base}{pointer}");
                        }
                    }
                    other => reroot(other, base),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| reroot(item, base)),
        _ => {}
    }
}
