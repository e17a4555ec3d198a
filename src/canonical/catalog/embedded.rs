//! The schema documents that are part of the program.

macro_rules! embedded {
    ($($url:literal => $path:literal,)*) => {
        [$(($url, include_str!(concat!("schemas/", $path)))),*]
    };
}

/// What the schemas refer to, by the URL that they use.
pub(super) const PARTS: [(&str, &str); 22] = embedded! {
    "http://json-schema.org/draft-07/schema" => "json-schema/draft-07.json",
    "https://geojson.org/schema/Feature.json" => "geojson/Feature.json",
    "https://geojson.org/schema/Geometry.json" => "geojson/Geometry.json",
    "https://schemas.stacspec.org/v1.0.0/catalog-spec/json-schema/catalog.json" => "v1.0.0/catalog.json",
    "https://schemas.stacspec.org/v1.0.0/collection-spec/json-schema/collection.json" => "v1.0.0/collection.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/basics.json" => "v1.0.0/basics.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/datetime.json" => "v1.0.0/datetime.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/instrument.json" => "v1.0.0/instrument.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/item.json" => "v1.0.0/item.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/licensing.json" => "v1.0.0/licensing.json",
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/provider.json" => "v1.0.0/provider.json",
    "https://schemas.stacspec.org/v1.1.0/catalog-spec/json-schema/catalog.json" => "v1.1.0/catalog.json",
    "https://schemas.stacspec.org/v1.1.0/collection-spec/json-schema/collection.json" => "v1.1.0/collection.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/bands.json" => "v1.1.0/bands.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/basics.json" => "v1.1.0/basics.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/common.json" => "v1.1.0/common.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/data-values.json" => "v1.1.0/data-values.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/datetime.json" => "v1.1.0/datetime.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/instrument.json" => "v1.1.0/instrument.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json" => "v1.1.0/item.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/licensing.json" => "v1.1.0/licensing.json",
    "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/provider.json" => "v1.1.0/provider.json",
};

/// The extensions whose fields are known, by the URL that documents declare.
pub(super) const EXTENSIONS: [(&str, &str); 6] = embedded! {
    "https://stac-extensions.github.io/file/v2.0.0/schema.json" => "extensions/file-v2.0.0.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json" => "extensions/file-v2.1.0.json",
    "https://stac-extensions.github.io/table/v1.0.0/schema.json" => "extensions/table-v1.json",
    "https://stac-extensions.github.io/table/v1.1.0/schema.json" => "extensions/table-v1.json",
    "https://stac-extensions.github.io/table/v1.2.0/schema.json" => "extensions/table-v1.json",
    "https://stac-extensions.github.io/table/v1.3.0/schema.json" => "extensions/table-v1.3.0.json",
};
