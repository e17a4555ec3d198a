use crate::dataset::DatasetError;
use crate::model::{Artifact, DatasetVersion};

/// The forms that can be read, the preferred one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Parquet,
    FlatGeobuf,
    GeoJson,
    /// A JSON text a line, or after each record separator.
    Sequence,
    Csv,
    Tsv,
}

/// How the bytes of an artifact are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Form {
    const ALL: [Self; 6] =
        [Self::Parquet, Self::FlatGeobuf, Self::GeoJson, Self::Sequence, Self::Csv, Self::Tsv];

    fn of_media_type(name: &str) -> Option<Self> {
        Some(match name {
            "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" => {
                Self::Parquet
            }
            "application/vnd.flatgeobuf"
            | "application/flatgeobuf"
            | "application/x-flatgeobuf" => Self::FlatGeobuf,
            "application/geo+json" | "application/vnd.geo+json" => Self::GeoJson,
            "application/geo+json-seq"
            | "application/json-seq"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Self::Sequence,
            "text/csv" => Self::Csv,
            "text/tab-separated-values" => Self::Tsv,
            _ => return None,
        })
    }

    fn of_extension(name: &str) -> Option<Self> {
        Some(match name {
            "parquet" | "geoparquet" => Self::Parquet,
            "fgb" => Self::FlatGeobuf,
            "geojson" => Self::GeoJson,
            "geojsonl" | "geojsons" | "geojsonseq" | "ndjson" | "jsonl" => Self::Sequence,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            _ => return None,
        })
    }
}

/// How an artifact is read, if it can be: by its media type, and by its key where the type says
/// no more than how it is packed. A media type tells features in one collection from features a
/// line only together with the key, because many catalogs call both `application/geo+json`.
pub(super) fn form_of(artifact: &Artifact) -> Option<(Form, Packing)> {
    let mut parts = artifact.media_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let name = artifact.key.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let (packing, name) = match name.rsplit_once('.') {
        Some((name, "gz" | "gzip")) => (Packing::Gzip, name),
        Some((name, "zst" | "zstd")) => (Packing::Zstd, name),
        _ => (Packing::Plain, name.as_str()),
    };
    let (packing, inner) = match media_type.as_str() {
        "application/gzip" | "application/x-gzip" => (Packing::Gzip, None),
        "application/zstd" => (Packing::Zstd, None),
        "application/octet-stream" | "application/json" | "" => (packing, None),
        other => match other.rsplit_once('+') {
            Some((inner, "gzip")) => (Packing::Gzip, Some(inner)),
            Some((inner, "zstd")) => (Packing::Zstd, Some(inner)),
            _ => (packing, Some(other)),
        },
    };
    let by_name = || Form::of_extension(name.rsplit_once('.')?.1);
    let form = match inner {
        None => by_name()?,
        Some(inner) => match Form::of_media_type(inner)? {
            Form::GeoJson if by_name() == Some(Form::Sequence) => Form::Sequence,
            form => form,
        },
    };
    // Its pages are packed already, and its end is read first.
    (form != Form::Parquet || packing == Packing::Plain).then_some((form, packing))
}

/// An artifact, and how it is packed.
pub(super) type Packed<'a> = (&'a Artifact, Packing);

/// The preferred form that a version comes in, with its artifacts in the order of their keys.
pub(super) fn choose(version: &DatasetVersion) -> Result<(Form, Vec<Packed<'_>>), DatasetError> {
    for form in Form::ALL {
        let of_form = |artifact| match form_of(artifact) {
            Some((found, packing)) if found == form => Some((artifact, packing)),
            _ => None,
        };
        let mut artifacts: Vec<_> = version.artifacts.iter().filter_map(of_form).collect();
        if !artifacts.is_empty() {
            artifacts.sort_unstable_by(|a, b| a.0.key.cmp(&b.0.key));
            return Ok((form, artifacts));
        }
    }
    Err(DatasetError::NoForm { dataset: version.dataset.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn the_media_type_says_the_form_and_the_key_the_packing() {
        let cases = [
            ("text/csv", "a.csv", Some((Form::Csv, Packing::Plain))),
            ("text/csv; charset=utf-8", "a.csv.gz", Some((Form::Csv, Packing::Gzip))),
            ("application/gzip", "a.ndjson.gz", Some((Form::Sequence, Packing::Gzip))),
            ("application/zstd", "a.geojson.zst", Some((Form::GeoJson, Packing::Zstd))),
            ("application/geo+json+gzip", "a", Some((Form::GeoJson, Packing::Gzip))),
            ("application/geo+json", "a.geojsonl", Some((Form::Sequence, Packing::Plain))),
            ("application/geo+json-seq", "a.json", Some((Form::Sequence, Packing::Plain))),
            ("application/octet-stream", "a.FGB", Some((Form::FlatGeobuf, Packing::Plain))),
            ("application/vnd.apache.parquet", "a.parquet.gz", None),
            ("application/pdf", "a.csv", None),
            ("application/octet-stream", "a", None),
        ];
        for (media_type, name, wanted) in cases {
            let artifact = Artifact {
                key: format!("processed/d/v/artifacts/{name}"),
                media_type: media_type.to_owned(),
                size: 1,
                digest: Digest::blake3(b""),
                crs: None,
            };
            assert_eq!(form_of(&artifact), wanted, "{media_type} {name}");
        }
    }
}
