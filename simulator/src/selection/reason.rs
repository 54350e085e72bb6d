//! Why a field is taken or left: the reasons of docs/protocol.md §7.3, each weaker than the next.

/// Why a field may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Select {
    /// It lies as deep as `recommended` asks for.
    DesiredDepth,
    /// Flow takes it by itself: when a document was published, and what happened to it.
    CoreMetadata,
    /// The connector asks for it when fields are recommended. Only the classic algorithm has this.
    ConnectorRecommends,
    /// The connector needs some field of this location.
    ConnectorRequiresLocation,
    /// The collection has a projection of the user's for it.
    UserDefined,
    /// It is materialized already.
    CurrentValue,
    /// The collection is partitioned by it.
    PartitionKey,
    /// The connector needs this very field.
    ConnectorRequires,
    /// The user asks for it.
    UserRequires,
    /// It is the document that is materialized already.
    CurrentDocument,
    /// It is part of the key.
    GroupByKey,
}

/// Why a field may be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// Nothing asks for it.
    NotSelected,
    /// A field that contains it is taken.
    CoveredLocation,
    /// The user excluded a field that contains it.
    ExcludedParent,
    /// Another field of the same location is taken.
    DuplicateLocation,
    /// The connector cannot take it unless the binding is backfilled.
    ConnectorIncompatible,
    /// Another field is taken that has the same name in the destination.
    DuplicateFold,
    /// The connector says nothing of it.
    ConnectorOmits,
    /// The collection has no such field.
    CollectionOmits,
    /// The connector cannot take it.
    ConnectorForbids,
    /// The user excluded it.
    UserExcludes,
}

impl Select {
    /// The reason as the end of a sentence that begins with the field.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::DesiredDepth => "lies within the depth that `recommended` asks for",
            Self::CoreMetadata => "is metadata that is taken by default",
            Self::ConnectorRecommends => "is recommended by the connector",
            Self::ConnectorRequiresLocation => "has a location that the connector needs",
            Self::UserDefined => "is a projection of the collection's own",
            Self::CurrentValue => "is materialized already",
            Self::PartitionKey => "partitions the collection",
            Self::ConnectorRequires => "is needed by the connector",
            Self::UserRequires => "is listed under `fields: require`",
            Self::CurrentDocument => "is the document that is materialized already",
            Self::GroupByKey => "is part of the key",
        }
    }
}

impl Reject {
    /// The reason as the end of a sentence that begins with the field.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotSelected => "is asked for by nothing",
            Self::CoveredLocation => "lies within a field that is taken",
            Self::ExcludedParent => "lies within a field that is listed under `fields: exclude`",
            Self::DuplicateLocation => "has the location of another field that is taken",
            Self::ConnectorIncompatible => "cannot be taken by the connector without a backfill",
            Self::DuplicateFold => "has the destination's name of another field that is taken",
            Self::ConnectorOmits => "is not spoken of by the connector",
            Self::CollectionOmits => "is not a field of the collection",
            Self::ConnectorForbids => "cannot be taken by the connector",
            Self::UserExcludes => "is listed under `fields: exclude`",
        }
    }
}
