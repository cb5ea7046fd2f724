//! `template.yaml` deploys the tables that the store expects: those that
//! [`create_tables`] makes.
//!
//! [`create_tables`]: cloud_sync_runtime::store::tables::create_tables

use std::collections::BTreeMap;
use std::path::Path;

use cloud_sync_runtime::store::tables::{
    IndexDefinition, KeyAttribute, Projection, StreamView, TableDefinition, tables,
};
use serde::Deserialize;
use serde_yaml_ng::Value;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    resources: BTreeMap<String, Deployed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deployed {
    r#type: String,
    #[serde(default)]
    properties: Value,
}

/// The properties of a table that the store depends on.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    table_name: String,
    billing_mode: String,
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    #[serde(default)]
    time_to_live_specification: Option<Ttl>,
    #[serde(default)]
    stream_specification: Option<Stream>,
}

#[derive(Debug, PartialEq, PartialOrd, Eq, Ord, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Key>,
    projection: IndexProjection,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProjection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ttl {
    attribute_name: String,
    enabled: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stream {
    stream_view_type: String,
}

fn deployed() -> BTreeMap<String, Table> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let template: Template = serde_yaml_ng::from_str(&text).unwrap();
    let tables = template.resources.into_values();
    tables
        .filter(|resource| resource.r#type == "AWS::DynamoDB::Table")
        .map(|resource| {
            let mut table: Table = serde_yaml_ng::from_value(resource.properties).unwrap();
            table.attribute_definitions.sort();
            (table.table_name.clone(), table)
        })
        .collect()
}

fn keys(partition: KeyAttribute, sort: Option<KeyAttribute>) -> Vec<Key> {
    let key = |key: KeyAttribute, role: &str| Key {
        attribute_name: key.name.into(),
        key_type: role.into(),
    };
    [key(partition, "HASH")].into_iter().chain(sort.map(|sort| key(sort, "RANGE"))).collect()
}

fn index(index: &IndexDefinition) -> Index {
    let (projection, names): (_, &[&str]) = match index.projection {
        Projection::All => ("ALL", &[]),
        Projection::Include(names) => ("INCLUDE", names),
    };
    Index {
        index_name: index.name.into(),
        key_schema: keys(index.partition, Some(index.sort)),
        projection: IndexProjection {
            projection_type: projection.into(),
            non_key_attributes: names.iter().map(ToString::to_string).collect(),
        },
    }
}

fn defined(table: &TableDefinition) -> (String, Table) {
    let name = format!("${{AWS::StackName}}-{}", table.table.suffix());
    let attribute = |key: KeyAttribute| Attribute {
        attribute_name: key.name.into(),
        attribute_type: key.key_type.letter().into(),
    };
    let mut attributes: Vec<_> = table.key_attributes().into_iter().map(attribute).collect();
    attributes.sort();
    let stream = |view: StreamView| Stream { stream_view_type: view.as_str().into() };
    let expected = Table {
        table_name: name.clone(),
        billing_mode: "PAY_PER_REQUEST".into(),
        attribute_definitions: attributes,
        key_schema: keys(table.partition, table.sort),
        global_secondary_indexes: table.indexes.iter().map(index).collect(),
        time_to_live_specification: table
            .ttl
            .map(|name| Ttl { attribute_name: name.into(), enabled: true }),
        stream_specification: table.stream.map(stream),
    };
    (name, expected)
}

#[test]
fn the_template_deploys_the_tables_that_the_store_expects() {
    let expected: BTreeMap<_, _> = tables().iter().map(defined).collect();
    assert_eq!(deployed(), expected);
}
