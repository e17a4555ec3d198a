use std::fmt::Write;

use super::critical_path;
use super::path::needed_edges;
use crate::plan::{RecoveryGraph, StepKind, StepSpec, When};

/// The graph for Graphviz; dashed edges only wait for an end. Edges that follow from others are
/// left out, the longest way is bold.
pub(crate) fn dot(graph: &RecoveryGraph) -> String {
    let path = critical_path(graph);
    let mut text = String::from("digraph recovery {\n  rankdir=LR;\n  node [shape=box];\n");
    for step in &graph.steps {
        let shape = if step.kind == StepKind::Gate { ", shape=diamond" } else { "" };
        let bold = if path.steps.contains(&step.id) { ", style=bold" } else { "" };
        let label = format!("{}\\n{}", step.id, step.action.replace('"', "\\\""));
        line(&mut text, format_args!("  \"{}\" [label=\"{label}\"{shape}{bold}];", step.id));
    }
    for (from, to) in needed_edges(graph) {
        let style = if ends(from, to) { " [style=dashed]" } else { "" };
        line(&mut text, format_args!("  \"{}\" -> \"{}\"{style};", from.id, to.id));
    }
    text + "}\n"
}

/// The graph for Mermaid; dotted edges only wait for an end. Edges that follow from others are
/// left out.
pub(crate) fn mermaid(graph: &RecoveryGraph) -> String {
    let mut text = String::from("flowchart LR\n");
    let name = |step: &StepSpec| {
        let index = graph.steps.iter().position(|other| other.id == step.id);
        format!("s{}", index.unwrap_or(0))
    };
    for step in &graph.steps {
        let (open, close) = if step.kind == StepKind::Gate { ("{{", "}}") } else { ("[", "]") };
        line(&mut text, format_args!("  {}{open}\"{}\"{close}", name(step), step.id));
    }
    for (from, to) in needed_edges(graph) {
        let arrow = if ends(from, to) { "-.->" } else { "-->" };
        line(&mut text, format_args!("  {} {arrow} {}", name(from), name(to)));
    }
    text
}

fn ends(from: &StepSpec, to: &StepSpec) -> bool {
    to.after.iter().any(|(id, when)| *id == from.id && *when == When::Ended)
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
