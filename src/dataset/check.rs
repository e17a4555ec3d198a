//! What a query may be: one SELECT that gives the same rows whenever it is run.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Volatility};

use super::DatasetError;

/// Aggregates whose result does not depend on the order of their rows.
const ORDERLESS: &[&str] = &[
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "grouping",
    "max",
    "min",
    "st_extent",
];

/// On how many partitions a query may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partitions {
    /// On as many as there are cores: its rows are the same in any case.
    Many,
    /// On one: it has sums of floating point numbers, or lists, ranks or limits that follow the
    /// order of rows.
    One,
}

/// Checks a plan as it was written, before anything is folded away.
pub(super) fn check(plan: &LogicalPlan) -> Result<Partitions, DatasetError> {
    let mut partitions = Partitions::Many;
    let mut refused = None;
    let walked = plan.apply_with_subqueries(|node| {
        if let Some(what) = forbidden(node) {
            refused = Some(DatasetError::NotSelect { what });
            return Ok(TreeNodeRecursion::Stop);
        }
        if matches!(
            node,
            LogicalPlan::Limit(_) | LogicalPlan::Window(_) | LogicalPlan::Distinct(Distinct::On(_))
        ) {
            partitions = Partitions::One;
        }
        let inputs = node.inputs();
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::ScalarFunction(call)
                        if call.func.signature().volatility != Volatility::Immutable =>
                    {
                        let function = call.func.name().to_owned();
                        refused = Some(DatasetError::Volatile { function });
                        return Ok(TreeNodeRecursion::Stop);
                    }
                    Expr::AggregateFunction(call) if !is_orderless(call, &inputs) => {
                        partitions = Partitions::One;
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.map_err(DatasetError::Plan)?;
    refused.map_or(Ok(partitions), Err)
}

fn forbidden(node: &LogicalPlan) -> Option<String> {
    Some(match node {
        LogicalPlan::Ddl(ddl) => ddl.name().to_owned(),
        LogicalPlan::Dml(dml) => dml.op.to_string(),
        LogicalPlan::Statement(statement) => statement.name().to_owned(),
        LogicalPlan::Copy(_) => "COPY".to_owned(),
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => "EXPLAIN".to_owned(),
        LogicalPlan::DescribeTable(_) => "DESCRIBE".to_owned(),
        _ => return None,
    })
}

fn is_orderless(call: &AggregateFunction, inputs: &[&LogicalPlan]) -> bool {
    let exact = |argument: &Expr| {
        // A type that cannot be told here may be a floating one.
        let data_type = |input: &&LogicalPlan| argument.get_type(input.schema());
        inputs.iter().all(|input| data_type(input).is_ok_and(|found| !found.is_floating()))
    };
    match call.func.name() {
        "sum" => call.params.args.iter().all(exact),
        name => ORDERLESS.contains(&name),
    }
}
