use std::sync::Arc;

use super::columns::{GEOMETRY, joined};
use super::form::Form;
use super::geo::agreed;
use super::open::{Files, Opened, Wanted};
use super::part::{Part, Surveyed};
use super::table::Rowwise;
use crate::dataset::DatasetError;
use crate::dataset::crs::Crs;
use crate::dataset::settle::Rules;

/// Opens artifacts of a form that is read row by row as one table. They are read twice: once for
/// the types of their columns and the soundness of their rows, once for each query; never held
/// as a whole.
pub(super) async fn open(
    form: Form,
    files: Files,
    wanted: &Wanted<'_>,
) -> Result<Opened, DatasetError> {
    let (mut parts, mut kinds, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let mut located = has_geometry(form, wanted);
    let mut system = None;
    for ((name, key), packing) in files.names.into_iter().zip(files.packings) {
        let mut part = Part {
            store: Arc::clone(&files.store),
            name,
            key,
            form,
            packing,
            geometry: wanted.reading.geometry.clone(),
            declared: Arc::new(wanted.kinds()?),
            rules: None,
        };
        let (surveyed, crs) = survey(&mut part, wanted).await?;
        system = system.or(crs);
        located |= surveyed.located;
        kinds.push((part.key.clone(), surveyed.kinds));
        reads.push((part.key.clone(), surveyed.read));
        parts.push(part);
    }
    if !located {
        for part in &mut parts {
            part.rules = None;
        }
    }
    let by_name = matches!(form, Form::GeoJson | Form::Sequence);
    let schema = joined(&kinds, by_name, located)?;
    let missing = wanted.reading.columns.keys().find(|it| schema.field_with_name(it).is_err());
    if let Some(missing) = missing {
        let key = parts.first().map(|part| part.key.clone()).unwrap_or_default();
        return Err(DatasetError::Malformed { key, why: format!("it has no column `{missing}`") });
    }
    let geometry = located.then(|| GEOMETRY.to_owned());
    let crs = system.filter(|_| located);
    let typed = form == Form::FlatGeobuf;
    let provider = Arc::new(Rowwise { parts, schema });
    Ok(Opened { provider, geometry, crs, typed, parts: reads })
}

/// Whether the form alone, or the job, says that there are geometries.
fn has_geometry(form: Form, wanted: &Wanted<'_>) -> bool {
    match form {
        Form::GeoJson | Form::FlatGeobuf | Form::Parquet => true,
        Form::Sequence | Form::Csv | Form::Tsv => wanted.reading.geometry.is_some(),
    }
}

/// What one reading of a part found, and what its coordinates are in.
async fn survey(
    part: &mut Part,
    wanted: &Wanted<'_>,
) -> Result<(Surveyed, Option<Crs>), DatasetError> {
    let features = matches!(part.form, Form::GeoJson | Form::Sequence);
    if part.geometry.is_some() && matches!(part.form, Form::GeoJson | Form::FlatGeobuf) {
        let why = "`geometry` is for forms without geometries of their own".to_owned();
        return Err(DatasetError::Malformed { key: part.key.clone(), why });
    }
    if !features && !has_geometry(part.form, wanted) {
        return Ok((part.survey().await?, None));
    }
    // A feature is in longitude and latitude by its standard; columns are in what is declared.
    let default = (features && part.geometry.is_none()).then_some(Crs::LONLAT);
    let said = part.reference().await?;
    let crs = agreed(&said, wanted.crs()?, default, &part.key)?;
    part.rules = Some(Rules::new(crs, wanted.into(), wanted.repair)?);
    let surveyed = part.survey().await?;
    let after = agreed(&surveyed.said, wanted.crs()?, Some(crs), &part.key)?;
    if after == crs {
        return Ok((surveyed, Some(crs)));
    }
    Err(DatasetError::CrsDiffers {
        key: part.key.clone(),
        said: after.to_string(),
        declared: format!("{crs}, which GeoJSON is in unless the job says otherwise"),
    })
}
