use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::rows::Said;
use crate::dataset::DatasetError;
use crate::dataset::crs::Crs;

/// What GeoParquet writes under `geo` into the metadata of a file.
#[derive(Debug, Deserialize)]
struct Geo {
    version: String,
    primary_column: String,
    columns: BTreeMap<String, GeoColumn>,
}

#[derive(Debug, Deserialize)]
struct GeoColumn {
    encoding: String,
    /// PROJJSON; absent is OGC:CRS84, null is unknown.
    #[serde(default = "crs84")]
    crs: Value,
    /// How edges run between positions; those of a sphere are not those of the plane.
    #[serde(default)]
    edges: Option<String>,
    /// The columns with the box of each geometry.
    #[serde(default)]
    covering: Option<Covering>,
}

#[derive(Debug, Deserialize)]
struct Covering {
    bbox: Sides,
}

/// Where the sides of boxes are: a column and a field of it.
#[derive(Debug, Deserialize)]
struct Sides {
    xmin: [String; 2],
    ymin: [String; 2],
    xmax: [String; 2],
    ymax: [String; 2],
}

fn crs84() -> Value {
    Value::from("OGC:CRS84")
}

/// A geometry column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) name: String,
    pub(super) said: Said,
    /// The extension type of a native encoding; `None` is WKB.
    pub(super) native: Option<&'static str>,
    /// The column with the box of each geometry, and its fields for west, south, east and north.
    pub(super) covering: Option<(String, [String; 4])>,
}

/// The geometry columns that a file's `geo` metadata name, the primary one first.
pub(super) fn columns(text: &str, key: &str) -> Result<Vec<Located>, DatasetError> {
    let bad = |why| DatasetError::Malformed { key: key.to_owned(), why };
    let geo: Geo = serde_json::from_str(text)
        .map_err(|error| bad(format!("its `geo` metadata make no sense: {error}")))?;
    if !geo.version.starts_with("1.") {
        return Err(bad(format!("it is GeoParquet {}, and 1.x is read", geo.version)));
    }
    if !geo.columns.contains_key(&geo.primary_column) {
        return Err(bad(format!("it has no geometry column `{}`", geo.primary_column)));
    }
    let mut columns = Vec::new();
    for (name, column) in geo.columns {
        let native = match column.encoding.as_str() {
            "WKB" => None,
            "point" => Some("geoarrow.point"),
            "linestring" => Some("geoarrow.linestring"),
            "polygon" => Some("geoarrow.polygon"),
            "multipoint" => Some("geoarrow.multipoint"),
            "multilinestring" => Some("geoarrow.multilinestring"),
            "multipolygon" => Some("geoarrow.multipolygon"),
            other => return Err(bad(format!("its geometries are in the encoding `{other}`"))),
        };
        if let Some(edges) = column.edges.filter(|edges| edges != "planar") {
            return Err(bad(format!("the edges of its geometries are {edges}, not planar")));
        }
        let said = match &column.crs {
            Value::Null => Said::Nothing,
            crs => Said::of(Crs::of_json(crs), || {
                crs["name"].as_str().unwrap_or("an unnamed system").to_owned()
            }),
        };
        let covering = column.covering.map(|covering| {
            let Sides { xmin, ymin, xmax, ymax } = covering.bbox;
            let sides = [xmin, ymin, xmax, ymax];
            let one = sides.iter().all(|side| side[0] == sides[0][0]);
            let boxes = (sides[0][0].clone(), sides.map(|[_, field]| field));
            one.then_some(boxes).ok_or_else(|| {
                bad(format!("the `covering` of `{name}` is in more than one column"))
            })
        });
        columns.push(Located { name, said, native, covering: covering.transpose()? });
    }
    columns.sort_by_key(|column| column.name != geo.primary_column);
    Ok(columns)
}

/// The reference system that an artifact and a job agree on.
pub(super) fn agreed(
    said: &Said,
    declared: Option<Crs>,
    default: Option<Crs>,
    key: &str,
) -> Result<Crs, DatasetError> {
    let key = key.to_owned();
    match (said, declared) {
        (Said::Known(crs), Some(declared)) if *crs != declared => {
            let (said, declared) = (crs.to_string(), declared.to_string());
            Err(DatasetError::CrsDiffers { key, said, declared })
        }
        (Said::Known(crs), _) => Ok(*crs),
        (Said::Unknown(_) | Said::Nothing, Some(declared)) => Ok(declared),
        (Said::Unknown(words), None) => Err(DatasetError::CrsUnread { key, words: words.clone() }),
        (Said::Nothing, None) => default.ok_or(DatasetError::CrsMissing { key }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_read_and_what_is_not_understood_is_refused() {
        let of = |crs: &str, encoding: &str| {
            let text = format!(
                r#"{{"version":"1.1.0","primary_column":"g","columns":{{
                    "a":{{"encoding":"WKB"}},"g":{{"encoding":"{encoding}"{crs}}}}}}}"#
            );
            columns(&text, "k")
        };
        let first = |crs| of(crs, "WKB").unwrap().remove(0);
        assert_eq!(first("").name, "g");
        assert_eq!(first("").said, Said::Known(Crs::LONLAT));
        assert_eq!(first(r#","crs":null"#).said, Said::Nothing);
        let utm = r#","crs":{"id":{"authority":"EPSG","code":26914}}"#;
        assert_eq!(first(utm).said, Said::Known(Crs(26914)));
        let unnamed = r#","crs":{"name":"site grid"}"#;
        assert_eq!(first(unnamed).said, Said::Unknown("site grid".to_owned()));
        assert_eq!(of("", "multipolygon").unwrap()[0].native, Some("geoarrow.multipolygon"));
        assert!(of("", "WKT").is_err());
        assert!(of(r#","edges":"spherical""#, "WKB").is_err());
        assert!(columns("{}", "k").is_err());
        let sides = |east: &str| {
            format!(
                r#","covering":{{"bbox":{{"xmin":["bbox","xmin"],"ymin":["bbox","ymin"],
                    "xmax":["{east}","xmax"],"ymax":["bbox","ymax"]}}}}"#
            )
        };
        let fields = ["xmin", "ymin", "xmax", "ymax"].map(str::to_owned);
        assert_eq!(first(&sides("bbox")).covering, Some(("bbox".to_owned(), fields)));
        assert!(of(&sides("other"), "WKB").is_err());
    }

    #[test]
    fn nothing_is_assumed_of_a_reference_system() {
        let (utm, lonlat) = (Crs(26914), Crs::LONLAT);
        assert_eq!(agreed(&Said::Nothing, None, Some(lonlat), "k").unwrap(), lonlat);
        assert_eq!(agreed(&Said::Nothing, Some(utm), None, "k").unwrap(), utm);
        assert_eq!(agreed(&Said::Unknown("x".into()), Some(utm), None, "k").unwrap(), utm);
        assert!(agreed(&Said::Nothing, None, None, "k").is_err());
        assert!(agreed(&Said::Unknown("x".into()), None, Some(lonlat), "k").is_err());
        assert!(agreed(&Said::Known(utm), Some(lonlat), None, "k").is_err());
    }
}
