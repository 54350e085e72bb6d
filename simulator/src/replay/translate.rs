//! Puts an answer of this run into the recording's terms, so that whatever still differs is a
//! difference.

use serde_json::{Map, Value};

use super::names::Names;
use super::rules::{Kind, Rules};

/// Puts answers into the recording's terms.
pub(super) struct Translator<'a> {
    rules: &'a Rules,
    names: &'a mut Names,
    place: Vec<String>,
}

impl<'a> Translator<'a> {
    pub(super) fn new(rules: &'a Rules, names: &'a mut Names) -> Self {
        Self {
            rules,
            names,
            place: Vec::new(),
        }
    }

    /// `ours` with everything that may differ as `recorded` has it. Names that are new are bound on
    /// the way.
    pub(super) fn translate(&mut self, recorded: &Value, ours: &Value) -> Value {
        if let Some(kind) = self.rules.value(&self.place) {
            return self.by_rule(kind, recorded, ours);
        }
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => self.object(recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) => self.array(recorded, ours),
            _ => self.renamed(ours),
        }
    }

    fn by_rule(&mut self, kind: Kind, recorded: &Value, ours: &Value) -> Value {
        if !kind.fits(ours) || !kind.fits(recorded) {
            return self.renamed(ours);
        }
        match (recorded, ours) {
            (Value::String(recorded), Value::String(ours)) if kind.is_name() => {
                if self.names.bind(recorded, ours) {
                    recorded.as_str().into()
                } else {
                    self.names.to_recorded(ours).into()
                }
            }
            _ => recorded.clone(),
        }
    }

    fn object(&mut self, recorded: &Map<String, Value>, ours: &Map<String, Value>) -> Value {
        if let Some(kind) = self.rules.names(&self.place) {
            self.bind_members(kind, recorded, ours);
        }
        let mut translated = Map::new();
        for (name, value) in ours {
            let name = self.names.recorded(name).unwrap_or(name).to_owned();
            self.place.push(name.clone());
            let value = match recorded.get(&name) {
                Some(recorded) => self.translate(recorded, value),
                None => self.renamed(value),
            };
            self.place.pop();
            translated.insert(name, value);
        }
        Value::Object(translated)
    }

    /// Binds the members that have no counterpart yet: those belong together that look most alike.
    fn bind_members(
        &mut self,
        kind: Kind,
        recorded: &Map<String, Value>,
        ours: &Map<String, Value>,
    ) {
        let is_free = |name: &str| kind.fits(&name.into());
        let mut theirs: Vec<(String, &String)> = recorded
            .iter()
            .filter(|(name, _)| is_free(name) && !self.names.is_bound(name))
            .map(|(name, value)| (self.look(name, value), name))
            .collect();
        let mut own: Vec<(String, &String)> = ours
            .iter()
            .filter(|(name, _)| is_free(name) && self.names.recorded(name).is_none())
            .map(|(name, value)| (self.look(name, &self.renamed(value)), name))
            .collect();
        theirs.sort();
        own.sort();
        for ((_, recorded), (_, ours)) in theirs.into_iter().zip(own) {
            self.names.bind(recorded, ours);
        }
    }

    /// A member without what may differ in it.
    fn look(&self, name: &str, value: &Value) -> String {
        let mut place = self.place.clone();
        place.push(name.to_owned());
        let mut value = value.clone();
        self.blank(&mut place, &mut value);
        value.to_string().replace(name, "")
    }

    fn blank(&self, place: &mut Vec<String>, value: &mut Value) {
        if self.rules.value(place).is_some() {
            *value = Value::Null;
            return;
        }
        let mut each = |segment: String, child: &mut Value| {
            place.push(segment);
            self.blank(place, child);
            place.pop();
        };
        match value {
            Value::Object(members) => members
                .iter_mut()
                .for_each(|(name, child)| each(name.clone(), child)),
            Value::Array(elements) => elements
                .iter_mut()
                .enumerate()
                .for_each(|(index, child)| each(index.to_string(), child)),
            _ => {}
        }
    }

    fn array(&mut self, recorded: &[Value], ours: &[Value]) -> Value {
        let mut translated = Vec::with_capacity(ours.len());
        for (index, value) in ours.iter().enumerate() {
            self.place.push(index.to_string());
            translated.push(match recorded.get(index) {
                Some(recorded) => self.translate(recorded, value),
                None => self.renamed(value),
            });
            self.place.pop();
        }
        Value::Array(translated)
    }

    /// A value that has no counterpart, with the names that are known.
    fn renamed(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.names.to_recorded(text).into(),
            Value::Array(elements) => elements
                .iter()
                .map(|element| self.renamed(element))
                .collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (self.names.to_recorded(name), self.renamed(member)))
                .collect(),
            scalar => scalar.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn staged(token: &str, counter: u32, upload: &str, at: &str) -> Value {
        json!({
            "key": format!("p/v0000000000/00000000-{counter:012}-01234567-{token}.parquet"),
            "token": token, "uploadId": upload, "stagedAt": at, "rows": counter + 1, "bytes": 100 + counter,
            "endpoint": "http://a:1", "parts": [{"etag": format!("e-{token}"), "crc32": token}],
        })
    }

    fn commit(entries: &[(&str, Value)]) -> Value {
        let staged: Map<String, Value> = entries
            .iter()
            .map(|(token, value)| ((*token).to_owned(), value.clone()))
            .collect();
        json!({"startedCommit": {"state": {"mergePatch": true, "updated": {
            "version": 1, "bindings": {"p": {"00000000": {"counter": 2, "staged": staged}}},
        }}}})
    }

    const A: &str = "aaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbb";
    const ONE: &str = "1111111111111111";
    const TWO: &str = "2222222222222222";

    fn recorded() -> Value {
        commit(&[
            (A, staged(A, 0, "u1", "2026-01-01T00:00:00Z")),
            (B, staged(B, 1, "u2", "2026-01-01T00:00:00Z")),
        ])
    }

    /// The same files, in which other tokens sort otherwise.
    fn ours() -> Value {
        commit(&[
            (TWO, staged(TWO, 0, "x1", "2027-01-01T00:00:00Z")),
            (ONE, staged(ONE, 1, "x2", "2027-01-01T00:00:01Z")),
        ])
    }

    #[test]
    fn what_may_differ_is_as_recorded_wherever_it_stands() {
        let (rules, mut names) = (Rules::default(), Names::default());
        let translated = Translator::new(&rules, &mut names).translate(&recorded(), &ours());
        assert_eq!(translated, recorded());
        assert_eq!(names.recorded(TWO), Some(A));
        assert_eq!(names.recorded("x2"), Some("u2"));
        // Later messages name the same things.
        let cleared = |token: &str| json!({"acknowledged": {"state": {"updated": {"bindings": {"p": {"00000000": {"staged": {token: null}}}}}}}});
        let translated = Translator::new(&rules, &mut names).translate(&cleared(A), &cleared(TWO));
        assert_eq!(translated, cleared(A));
        let translated = Translator::new(&rules, &mut names).translate(&cleared(A), &cleared(ONE));
        assert_eq!(
            translated,
            cleared(B),
            "another upload than the recorded one is cleared"
        );
    }

    #[test]
    fn what_may_not_differ_stays() {
        let (rules, mut names) = (Rules::default(), Names::default());
        let mut ours = ours();
        let entry = format!("/startedCommit/state/updated/bindings/p/00000000/staged/{TWO}");
        ours.pointer_mut(&entry).unwrap()["rows"] = json!(77);
        let translated = Translator::new(&rules, &mut names).translate(&recorded(), &ours);
        let mut expected = recorded();
        let entry = format!("/startedCommit/state/updated/bindings/p/00000000/staged/{A}");
        expected.pointer_mut(&entry).unwrap()["rows"] = json!(77);
        assert_eq!(translated, expected);
    }

    #[test]
    fn what_does_not_fit_its_rule_stays() {
        let (rules, mut names) = (Rules::default(), Names::default());
        let mut ours = ours();
        let entry = format!("/startedCommit/state/updated/bindings/p/00000000/staged/{TWO}");
        ours.pointer_mut(&entry).unwrap()["stagedAt"] = json!("noon");
        let translated = Translator::new(&rules, &mut names).translate(&recorded(), &ours);
        assert!(translated.to_string().contains("noon"), "{translated}");
    }

    #[test]
    fn a_reused_name_is_a_difference() {
        let (rules, mut names) = (Rules::default(), Names::default());
        let mut ours = ours();
        let entry = format!("/startedCommit/state/updated/bindings/p/00000000/staged/{ONE}");
        ours.pointer_mut(&entry).unwrap()["uploadId"] = json!("x1");
        let translated = Translator::new(&rules, &mut names).translate(&recorded(), &ours);
        assert_ne!(translated, recorded());
    }
}
