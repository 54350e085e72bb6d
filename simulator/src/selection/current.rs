//! The current algorithm, step by step as docs/protocol.md §7.3 numbers them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use materialize_s3_parquet::protocol::flow;
use materialize_s3_parquet::protocol::materialize::response::validated::constraint::Type;

use super::{Input, Outcome, Recommended, Reject, Select, Verdict, canonical, kind};

/// The reasons for and against one field.
#[derive(Clone, Copy, Debug, Default)]
struct Reasons {
    select: Option<Select>,
    reject: Option<Reject>,
}

impl Reasons {
    fn select(&mut self, reason: Select) {
        self.select = self.select.max(Some(reason));
    }

    fn reject(&mut self, reason: Reject) {
        self.reject = self.reject.max(Some(reason));
    }
}

pub(super) fn outcomes(input: &Input<'_>) -> Vec<Outcome> {
    let mut reasons = collect(input);
    complete(input, &mut reasons);
    settle(input, &mut reasons);
    let outcome = |(field, reasons): (String, Reasons)| Outcome {
        reason: input.reason_of(&field),
        verdict: verdict(reasons),
        select: reasons.select,
        reject: reasons.reject,
        field,
    };
    reasons.into_iter().map(outcome).collect()
}

/// Step 1: every reason there is, the strongest kept.
fn collect(input: &Input<'_>) -> BTreeMap<String, Reasons> {
    let mut reasons: BTreeMap<String, Reasons> = BTreeMap::new();
    let mut of = |field: &str, reason: Result<Select, Reject>| {
        let reasons = reasons.entry(field.to_owned()).or_default();
        match reason {
            Ok(select) => reasons.select(select),
            Err(reject) => reasons.reject(reject),
        }
    };
    for field in input.group_by() {
        of(&field, Ok(Select::GroupByKey));
    }
    if let Some(live) = input.live {
        if !live.document.is_empty() {
            of(&live.document, Ok(Select::CurrentDocument));
        }
        live.values
            .iter()
            .for_each(|field| of(field, Ok(Select::CurrentValue)));
    }
    input
        .model
        .require
        .keys()
        .for_each(|field| of(field, Ok(Select::UserRequires)));
    input
        .model
        .exclude
        .iter()
        .for_each(|field| of(field, Err(Reject::UserExcludes)));
    for projection in input.projections {
        for select in selects_of(projection, input) {
            of(&projection.field, Ok(select));
        }
    }
    for constraint in input.constraints {
        if let Some(reason) = constraint
            .constraint
            .as_ref()
            .and_then(|constraint| of_constraint(kind(constraint)))
        {
            of(&constraint.field, reason);
        }
    }
    reasons
}

fn selects_of<'a>(
    projection: &'a flow::Projection,
    input: &'a Input<'_>,
) -> impl Iterator<Item = Select> + use<'a> {
    let by_default = input.model.recommended != Recommended::None;
    let is_core = matches!(projection.field.as_str(), "flow_published_at" | "_meta/op");
    let candidates = [
        (projection.is_partition_key, Select::PartitionKey),
        (by_default && projection.explicit, Select::UserDefined),
        (by_default && is_core, Select::CoreMetadata),
        (is_at_depth(projection, input), Select::DesiredDepth),
    ];
    candidates
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, select)| select)
}

/// Whether the field lies at the wanted depth, or above it and nothing below could stand for it.
fn is_at_depth(projection: &flow::Projection, input: &Input<'_>) -> bool {
    let depth = match input.model.recommended {
        Recommended::None | Recommended::Depth(0) => return false,
        Recommended::Depth(depth) => depth,
        Recommended::All => usize::MAX,
    };
    if projection.ptr == "/_meta" || projection.ptr.starts_with("/_meta/") {
        return false;
    }
    let components = projection.ptr.matches('/').count();
    components == depth || (components < depth && is_leaf(projection, input))
}

fn is_leaf(projection: &flow::Projection, input: &Input<'_>) -> bool {
    let types = projection
        .inference
        .iter()
        .flat_map(|inference| &inference.types);
    let types: BTreeSet<&str> = types
        .map(String::as_str)
        .filter(|name| *name != "null")
        .collect();
    if types != BTreeSet::from(["object"]) {
        return true;
    }
    input.model.recommended != Recommended::All && !has_children(projection, input)
}

fn has_children(parent: &flow::Projection, input: &Input<'_>) -> bool {
    input
        .projections
        .iter()
        .any(|projection| is_below(&projection.ptr, &parent.ptr))
}

fn is_below(pointer: &str, parent: &str) -> bool {
    pointer
        .strip_prefix(parent)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn of_constraint(kind: Type) -> Option<Result<Select, Reject>> {
    match kind {
        Type::FieldRequired => Some(Ok(Select::ConnectorRequires)),
        Type::LocationRequired => Some(Ok(Select::ConnectorRequiresLocation)),
        Type::FieldForbidden => Some(Err(Reject::ConnectorForbids)),
        Type::Incompatible | Type::Unsatisfiable => Some(Err(Reject::ConnectorIncompatible)),
        Type::FieldOptional | Type::LocationRecommended | Type::Invalid => None,
    }
}

/// Step 2: fields nobody knows.
fn complete(input: &Input<'_>, reasons: &mut BTreeMap<String, Reasons>) {
    for projection in input.projections {
        reasons.entry(projection.field.clone()).or_default();
    }
    for (field, reasons) in reasons {
        if input.constraints_of(field).next().is_none() {
            reasons.reject(Reject::ConnectorOmits);
        }
        if input.projection(field).is_none() {
            reasons.reject(Reject::CollectionOmits);
        }
    }
}

/// Step 3: of several fields with one name in the destination, or one location, or one within
/// another, the strongest.
fn settle(input: &Input<'_>, reasons: &mut BTreeMap<String, Reasons>) {
    let mut walk: Vec<(String, Reasons)> = reasons
        .iter()
        .map(|(field, reasons)| (field.clone(), *reasons))
        .collect();
    let is_incompatible = |reasons: &Reasons| reasons.reject == Some(Reject::ConnectorIncompatible);
    walk.sort_by_key(|(field, reasons)| {
        (
            Reverse(reasons.select),
            is_incompatible(reasons),
            field.clone(),
        )
    });

    let excluded = excluded_pointers(input);
    let mut folds: BTreeSet<String> = BTreeSet::new();
    let mut pointers: BTreeSet<&str> = BTreeSet::new();
    for (field, mut found) in walk {
        let pointer = input
            .projection(&field)
            .map(|projection| projection.ptr.as_str());
        if folds.contains(&input.fold(&field)) {
            found.reject(Reject::DuplicateFold);
        }
        if let Some(pointer) = pointer {
            yield_to_others(pointer, &pointers, &excluded, &mut found);
        }
        if found.select.is_none() {
            found.reject(Reject::NotSelected);
        }
        if verdict(found).is_selected() {
            folds.insert(input.fold(&field));
            pointers.extend(pointer.filter(|pointer| !pointer.is_empty()));
        }
        reasons.insert(field, found);
    }
}

/// The locations whose own field the user excluded.
fn excluded_pointers<'a>(input: &Input<'a>) -> BTreeSet<&'a str> {
    let projections = input.projections.iter();
    let canonical = projections.filter(|projection| projection.field == canonical(&projection.ptr));
    let excluded = canonical.filter(|projection| input.model.exclude.contains(&projection.field));
    excluded.map(|projection| projection.ptr.as_str()).collect()
}

fn yield_to_others(
    pointer: &str,
    taken: &BTreeSet<&str>,
    excluded: &BTreeSet<&str>,
    reasons: &mut Reasons,
) {
    use Select::{ConnectorRequiresLocation, CoreMetadata, DesiredDepth};
    let weak = matches!(reasons.select, None | Some(DesiredDepth));
    let yields = weak
        || matches!(
            reasons.select,
            Some(CoreMetadata | ConnectorRequiresLocation)
        );
    let reject = if yields && taken.contains(pointer) {
        Reject::DuplicateLocation
    } else if weak && parents(pointer).any(|parent| taken.contains(parent)) {
        Reject::CoveredLocation
    } else if weak && parents(pointer).any(|parent| excluded.contains(parent)) {
        Reject::ExcludedParent
    } else {
        return;
    };
    reasons.select = None;
    reasons.reject(reject);
}

/// The pointers of the locations around `pointer`, innermost first, without the root.
fn parents(pointer: &str) -> impl Iterator<Item = &str> {
    let around = |inner: &&str| {
        inner
            .rfind('/')
            .filter(|end| *end > 0)
            .map(|end| &pointer[..end])
    };
    std::iter::successors(Some(pointer), move |inner| around(inner)).skip(1)
}

/// Step 4: what weighs more.
fn verdict(reasons: Reasons) -> Verdict {
    let Some(select) = reasons.select else {
        return Verdict::Rejected;
    };
    let gives_way = matches!(
        select,
        Select::DesiredDepth
            | Select::CoreMetadata
            | Select::UserDefined
            | Select::CurrentValue
            | Select::PartitionKey
    );
    match reasons.reject {
        None => Verdict::Selected,
        Some(Reject::ConnectorIncompatible) => Verdict::Incompatible,
        Some(_) if gives_way => Verdict::Rejected,
        Some(_) => Verdict::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::test_support::{constraint, constraints, projections};
    use super::super::{Algorithm, Fields, Selection, select};
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "integer"},
                "Id": {"type": "string"},
                "user": {"type": "object", "properties": {
                    "name": {"type": "string"},
                    "home": {"type": "object", "properties": {"city": {"type": "string"}}},
                    "blob": {"type": "object"},
                }},
                "tags": {"type": "array"},
                "_meta": {"type": "object", "properties": {"op": {"type": "string"}, "source": {"type": "string"}}},
            },
        })
    }

    /// Selects with every field optional but for `others`.
    fn run(
        model: &Fields,
        live: Option<&flow::FieldSelection>,
        others: &[(&str, Type)],
    ) -> Selection {
        let key = ["/id".to_owned()];
        let projections = projections(&schema(), &key);
        let constraints = constraints(&projections, others);
        let input = Input {
            key: &key,
            projections: &projections,
            constraints: &constraints,
            case_insensitive_fields: false,
            model,
            live,
        };
        select(Algorithm::Current, &input)
    }

    fn model(fields: &Value) -> Fields {
        let list = |name: &str| {
            let items = fields[name].as_array().cloned().unwrap_or_default();
            items
                .iter()
                .map(|item| item.as_str().expect("a name").to_owned())
                .collect::<Vec<_>>()
        };
        Fields {
            group_by: list("groupBy"),
            require: list("require")
                .into_iter()
                .map(|field| (field, json!({})))
                .collect(),
            exclude: list("exclude").into_iter().collect(),
            recommended: match &fields["recommended"] {
                Value::Bool(false) => Recommended::None,
                Value::Number(depth) => {
                    Recommended::Depth(depth.as_u64().expect("a depth") as usize)
                }
                _ => Recommended::All,
            },
        }
    }

    fn of<'a>(selection: &'a Selection, field: &str) -> &'a Outcome {
        let found = selection
            .outcomes
            .iter()
            .find(|outcome| outcome.field == field);
        found.unwrap_or_else(|| panic!("no outcome of {field}"))
    }

    #[test]
    fn what_each_model_takes() {
        let table: [(Value, &[&str]); 7] = [
            (
                json!({}),
                &[
                    "Id",
                    "_meta/op",
                    "flow_published_at",
                    "tags",
                    "user/home/city",
                    "user/name",
                ],
            ),
            (json!({"recommended": false}), &[]),
            (
                json!({"recommended": 1}),
                &["Id", "_meta/op", "flow_published_at", "tags", "user"],
            ),
            (
                json!({"recommended": 2}),
                &[
                    "Id",
                    "_meta/op",
                    "flow_published_at",
                    "tags",
                    "user/blob",
                    "user/home",
                    "user/name",
                ],
            ),
            (
                json!({"exclude": ["user", "tags"], "require": ["_meta/source"]}),
                &["Id", "_meta/op", "_meta/source", "flow_published_at"],
            ),
            (
                json!({"require": ["user"]}),
                &["Id", "_meta/op", "flow_published_at", "tags", "user"],
            ),
            (
                json!({"recommended": false, "groupBy": ["Id"], "require": ["user/name"]}),
                &["user/name"],
            ),
        ];
        for (fields, expected) in table {
            let selection = run(&model(&fields), None, &[]);
            assert_eq!(selection.fields.values, expected, "{fields}");
            assert_eq!(selection.fields.document, "", "{fields}");
            assert_eq!(selection.conflicts().count(), 0, "{fields}");
        }
    }

    #[test]
    fn the_key_is_the_group_by_or_the_collections() {
        assert_eq!(run(&model(&json!({})), None, &[]).fields.keys, ["id"]);
        let grouped = run(&model(&json!({"groupBy": ["Id", "user/name"]})), None, &[]);
        assert_eq!(grouped.fields.keys, ["Id", "user/name"]);
        assert!(grouped.fields.values.contains(&"id".to_owned()));
    }

    #[test]
    fn what_the_connector_says() {
        let others = [
            ("flow_document", Type::LocationRequired),
            ("_meta/source", Type::FieldRequired),
            ("tags", Type::FieldForbidden),
            ("Id", Type::Incompatible),
        ];
        let selection = run(&model(&json!({})), None, &others);
        assert_eq!(selection.fields.document, "flow_document");
        assert!(selection.fields.values.contains(&"_meta/source".to_owned()));
        let tags = of(&selection, "tags");
        assert_eq!(
            (tags.verdict, tags.reject),
            (Verdict::Rejected, Some(Reject::ConnectorForbids))
        );
        assert_eq!(of(&selection, "Id").verdict, Verdict::Incompatible);
        assert_eq!(selection.incompatible().count(), 1);
        let required = run(&model(&json!({"require": ["tags"]})), None, &others);
        assert_eq!(of(&required, "tags").verdict, Verdict::Conflict);
        let unknown = run(&model(&json!({"require": ["gone"]})), None, &[]);
        let gone = of(&unknown, "gone");
        assert_eq!(
            (gone.verdict, gone.reject),
            (Verdict::Conflict, Some(Reject::CollectionOmits))
        );
    }

    #[test]
    fn what_is_materialized_stays() {
        let live = flow::FieldSelection {
            values: vec!["_meta/source".to_owned(), "dropped".to_owned()],
            document: "flow_document".to_owned(),
            ..flow::FieldSelection::default()
        };
        let selection = run(&model(&json!({"recommended": false})), Some(&live), &[]);
        assert_eq!(selection.fields.values, ["_meta/source"]);
        assert_eq!(selection.fields.document, "flow_document");
        let dropped = of(&selection, "dropped");
        assert_eq!(
            (dropped.verdict, dropped.reject),
            (Verdict::Rejected, Some(Reject::CollectionOmits))
        );
    }

    #[test]
    fn names_that_fold_alike_are_taken_once() {
        let key = ["/id".to_owned()];
        let projections = projections(&schema(), &key);
        let constraints = constraints(&projections, &[]);
        let fields = model(&json!({}));
        let input = Input {
            key: &key,
            projections: &projections,
            constraints: &constraints,
            case_insensitive_fields: true,
            model: &fields,
            live: None,
        };
        let selection = select(Algorithm::Current, &input);
        let duplicate = of(&selection, "Id");
        assert_eq!(
            (duplicate.verdict, duplicate.reject),
            (Verdict::Rejected, Some(Reject::DuplicateFold))
        );
    }

    #[test]
    fn one_field_per_location_unless_asked_for() {
        let key = ["/id".to_owned()];
        let mut projections = projections(&schema(), &key);
        let alias = flow::Projection {
            ptr: "/tags".to_owned(),
            field: "labels".to_owned(),
            explicit: true,
            ..flow::Projection::default()
        };
        projections.push(alias);
        let mut constraints = constraints(&projections, &[]);
        constraints.retain(|entry| entry.field != "user/name");
        constraints.push(constraint("tags", Type::LocationRequired));
        let fields = model(&json!({}));
        let input = Input {
            key: &key,
            projections: &projections,
            constraints: &constraints,
            case_insensitive_fields: false,
            model: &fields,
            live: None,
        };
        let selection = select(Algorithm::Current, &input);
        // ConnectorRequiresLocation is weaker than UserDefined: the alias satisfies it.
        assert_eq!(of(&selection, "labels").select, Some(Select::UserDefined));
        assert_eq!(
            of(&selection, "tags").reject,
            Some(Reject::DuplicateLocation)
        );
        assert_eq!(
            of(&selection, "user/name").reject,
            Some(Reject::ConnectorOmits)
        );
        assert_eq!(selection.conflicts().count(), 0);
    }

    #[test]
    fn every_outcome_is_explained() {
        let selection = run(
            &model(&json!({"require": ["user"]})),
            None,
            &[("tags", Type::FieldForbidden)],
        );
        let explained = |field: &str| of(&selection, field).explain();
        assert_eq!(
            explained("user"),
            "`user` is taken: it is listed under `fields: require`"
        );
        assert_eq!(
            explained("user/name"),
            "`user/name` is left: it lies within a field that is taken"
        );
        assert_eq!(
            explained("tags"),
            "`tags` is left: it cannot be taken by the connector"
        );
        assert_eq!(
            explained("_meta"),
            "`_meta` is left: it is asked for by nothing"
        );
    }
}
