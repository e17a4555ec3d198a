use super::critical_path;
use super::path::{depths, positions};
use crate::plan::{RecoveryGraph, StepSpec};

/// Columns that a line may have.
const WIDTH: usize = 80;
/// The column at which the words begin, where the name leaves room.
const WORDS: usize = 42;

/// The graph as a tree for people, at most 80 columns wide. A step stands under the last one that
/// it waits for.
pub(crate) fn text(graph: &RecoveryGraph) -> String {
    let path = critical_path(graph);
    let mut lines = vec![format!("plan     {}", graph.plan_digest)];
    if let Some(snapshot) = &graph.snapshot {
        lines.push(format!("snapshot {snapshot}"));
    }
    let count = graph.steps.len();
    lines.push(format!("{} {}, {count} steps", graph.mode, graph.environment));
    let unknown = match path.unknown {
        0 => String::new(),
        n => format!(" and {n} of unknown length"),
    };
    lines.push(format!("The longest way (*) is reckoned at {} s{unknown}.", path.seconds));
    lines.push("A step stands under the last it waits for; +n: it waits for n more.".to_owned());
    lines.push(String::new());
    let tree = Tree { graph, children: children(graph), marked: path.steps };
    for (root, step) in graph.steps.iter().enumerate() {
        if step.after.is_empty() {
            tree.walk(root, "", "", &mut lines);
        }
    }
    let mut text = String::new();
    for line in lines {
        text += &cut(&line, WIDTH);
        text.push('\n');
    }
    text
}

struct Tree<'a> {
    graph: &'a RecoveryGraph,
    children: Vec<Vec<usize>>,
    marked: Vec<crate::model::StepId>,
}

impl Tree<'_> {
    /// Writes a step and what stands under it: `first` before its own line, `rest` before others.
    fn walk(&self, index: usize, first: &str, rest: &str, lines: &mut Vec<String>) {
        let Some(step) = self.graph.steps.get(index) else { return };
        lines.push(self.line(step, first));
        let below = self.children.get(index).map_or(&[][..], Vec::as_slice);
        match below {
            // A chain goes straight down; only a fork goes to the right.
            [only] => self.walk(*only, rest, rest, lines),
            [forks @ .., last] => {
                for fork in forks {
                    self.walk(*fork, &format!("{rest}├─ "), &format!("{rest}│  "), lines);
                }
                self.walk(*last, &format!("{rest}└─ "), &format!("{rest}   "), lines);
            }
            [] => {}
        }
    }

    fn line(&self, step: &StepSpec, before: &str) -> String {
        let mark = if self.marked.contains(&step.id) { "*" } else { "" };
        let more = match step.after.len() {
            0 | 1 => String::new(),
            n => format!(" +{}", n - 1),
        };
        let name = format!("{before}{}{mark}{more}", step.id);
        let gap = WORDS.saturating_sub(name.chars().count()).max(2);
        format!("{name}{}{}", " ".repeat(gap), step.action)
    }
}

/// Under which step each one stands: the one that is reached last.
fn children(graph: &RecoveryGraph) -> Vec<Vec<usize>> {
    let at = positions(graph);
    let depths = depths(graph);
    let mut children = vec![Vec::new(); graph.steps.len()];
    for (index, step) in graph.steps.iter().enumerate() {
        let before = step.after.iter().filter_map(|(id, _)| at.get(id).copied());
        let parent = before.max_by_key(|&i| (depths.get(i).copied(), i));
        if let Some(below) = parent.and_then(|parent| children.get_mut(parent)) {
            below.push(index);
        }
    }
    children
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.trim_end().to_owned();
    }
    let mut short: String = line.chars().take(width - 1).collect();
    short.push('…');
    short
}
