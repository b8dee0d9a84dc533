//! A template's syntax tree, rebuilt so that every value is measured
//!
//! The engine counts steps, but a step may double a string: forty of them fill any memory. Whatever makes a value (a sum,
//! a literal list, a call, a filter) therefore goes through a filter that measures it, text between tags is written like
//! any other value, and products and concatenations are our own (`measured`). Templates of several parts are refused.

use std::collections::BTreeMap;

use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, Spanned, Stmt};
use minijinja::machinery::{CodeGenerator, Instructions, Span, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use super::measured::{CHECKED, CONCATENATED, HELD, MULTIPLIED};

/// A template in the engine's instructions.
pub(super) struct Program<'s> {
    pub(super) main: Instructions<'s>,
    pub(super) blocks: BTreeMap<&'s str, Instructions<'s>>,
}

/// Compiles `source`.
///
/// # Errors
/// A template that is not Jinja, or that includes others.
pub(super) fn compile(source: &str, syntax: SyntaxConfig) -> Result<Program<'_>, Error> {
    let tree = statement(&parse(source, "chat_template", syntax)?)?;
    let mut generator = CodeGenerator::new("chat_template", source);
    generator.compile_stmt(&tree);
    let (main, blocks) = generator.finish();
    Ok(Program { main, blocks })
}

/// `expr` through the filter `name`.
fn through<'s>(name: &'static str, expr: Expr<'s>, args: Vec<CallArg<'s>>, span: Span) -> Expr<'s> {
    Expr::Filter(Spanned::new(ast::Filter { name, expr: Some(expr), args }, span))
}

fn checked<'s>(expr: Expr<'s>, span: Span) -> Expr<'s> {
    through(CHECKED, expr, Vec::new(), span)
}

/// Rebuilds an expression.
fn expression<'s>(expr: &Expr<'s>) -> Expr<'s> {
    match expr {
        Expr::Var(e) => Expr::Var(Spanned::new(ast::Var { id: e.id }, e.span())),
        Expr::Const(e) => Expr::Const(Spanned::new(ast::Const { value: e.value.clone() }, e.span())),
        Expr::Slice(e) => {
            let slice = ast::Slice {
                expr: expression(&e.expr),
                start: e.start.as_ref().map(expression),
                stop: e.stop.as_ref().map(expression),
                step: e.step.as_ref().map(expression),
            };
            checked(Expr::Slice(Spanned::new(slice, e.span())), e.span())
        }
        Expr::UnaryOp(e) => {
            // The engine's type can be neither copied nor cloned.
            let is_not = matches!(e.op, ast::UnaryOpKind::Not);
            let op = if is_not { ast::UnaryOpKind::Not } else { ast::UnaryOpKind::Neg };
            Expr::UnaryOp(Spanned::new(ast::UnaryOp { op, expr: expression(&e.expr) }, e.span()))
        }
        Expr::BinOp(e) => {
            let (left, right) = (expression(&e.left), expression(&e.right));
            match e.op {
                BinOpKind::Mul => through(MULTIPLIED, left, vec![CallArg::Pos(right)], e.span()),
                BinOpKind::Concat => through(CONCATENATED, left, vec![CallArg::Pos(right)], e.span()),
                op => {
                    let sum = Expr::BinOp(Spanned::new(ast::BinOp { op, left, right }, e.span()));
                    if matches!(op, BinOpKind::Add) { checked(sum, e.span()) } else { sum }
                }
            }
        }
        Expr::Compare(e) => {
            let ops =
                e.ops.iter().map(|op| ast::CompareOp { op: op.op, expr: expression(&op.expr) }).collect();
            Expr::Compare(Spanned::new(ast::Compare { expr: expression(&e.expr), ops }, e.span()))
        }
        Expr::IfExpr(e) => {
            let condition = ast::IfExpr {
                test_expr: expression(&e.test_expr),
                true_expr: expression(&e.true_expr),
                false_expr: e.false_expr.as_ref().map(expression),
            };
            Expr::IfExpr(Spanned::new(condition, e.span()))
        }
        Expr::Filter(e) => {
            let expr = e.expr.as_ref().map(expression);
            let is_applied = expr.is_some();
            let filter = ast::Filter { name: e.name, expr, args: arguments(&e.args) };
            let filter = Expr::Filter(Spanned::new(filter, e.span()));
            if is_applied { checked(filter, e.span()) } else { filter }
        }
        Expr::Test(e) => {
            let test = ast::Test { name: e.name, expr: expression(&e.expr), args: arguments(&e.args) };
            Expr::Test(Spanned::new(test, e.span()))
        }
        Expr::GetAttr(e) => {
            Expr::GetAttr(Spanned::new(ast::GetAttr { expr: expression(&e.expr), name: e.name }, e.span()))
        }
        Expr::GetItem(e) => {
            let item =
                ast::GetItem { expr: expression(&e.expr), subscript_expr: expression(&e.subscript_expr) };
            Expr::GetItem(Spanned::new(item, e.span()))
        }
        Expr::Call(e) => checked(Expr::Call(call(e)), e.span()),
        Expr::List(e) => {
            let items = e.items.iter().map(expression).collect();
            checked(Expr::List(Spanned::new(ast::List { items }, e.span())), e.span())
        }
        Expr::Tuple(e) => {
            let items = e.items.iter().map(expression).collect();
            checked(Expr::Tuple(Spanned::new(ast::Tuple { items }, e.span())), e.span())
        }
        Expr::Map(e) => {
            let (keys, values) =
                (e.keys.iter().map(expression).collect(), e.values.iter().map(expression).collect());
            checked(Expr::Map(Spanned::new(ast::Map { keys, values }, e.span())), e.span())
        }
    }
}

fn call<'s>(call: &Spanned<ast::Call<'s>>) -> Spanned<ast::Call<'s>> {
    // A call through a name or an attribute is told by its form, which stays.
    Spanned::new(ast::Call { expr: expression(&call.expr), args: arguments(&call.args) }, call.span())
}

fn arguments<'s>(args: &[CallArg<'s>]) -> Vec<CallArg<'s>> {
    let argument = |arg: &CallArg<'s>| match arg {
        CallArg::Pos(e) => CallArg::Pos(expression(e)),
        CallArg::Kwarg(name, e) => CallArg::Kwarg(name, expression(e)),
        CallArg::PosSplat(e) => CallArg::PosSplat(expression(e)),
        CallArg::KwargSplat(e) => CallArg::KwargSplat(expression(e)),
    };
    args.iter().map(argument).collect()
}

/// Rebuilds what is assigned to: names, attributes of namespaces, and lists of them.
fn target<'s>(expr: &Expr<'s>) -> Expr<'s> {
    match expr {
        Expr::List(e) => {
            let items = e.items.iter().map(target).collect();
            Expr::List(Spanned::new(ast::List { items }, e.span()))
        }
        Expr::Tuple(e) => {
            let items = e.items.iter().map(target).collect();
            Expr::Tuple(Spanned::new(ast::Tuple { items }, e.span()))
        }
        Expr::GetAttr(e) => {
            Expr::GetAttr(Spanned::new(ast::GetAttr { expr: target(&e.expr), name: e.name }, e.span()))
        }
        // Names are all that is left.
        other => expression(other),
    }
}

fn macro_of<'s>(m: &Spanned<ast::Macro<'s>>) -> Result<Spanned<ast::Macro<'s>>, Error> {
    let (args, defaults) = (m.args.iter().map(target).collect(), m.defaults.iter().map(expression).collect());
    Ok(Spanned::new(ast::Macro { name: m.name, args, defaults, body: statements(&m.body)? }, m.span()))
}

fn statements<'s>(list: &[Stmt<'s>]) -> Result<Vec<Stmt<'s>>, Error> {
    list.iter().map(statement).collect()
}

/// Rebuilds a statement.
fn statement<'s>(stmt: &Stmt<'s>) -> Result<Stmt<'s>, Error> {
    Ok(match stmt {
        Stmt::Template(s) => {
            Stmt::Template(Spanned::new(ast::Template { children: statements(&s.children)? }, s.span()))
        }
        Stmt::EmitExpr(s) => {
            Stmt::EmitExpr(Spanned::new(ast::EmitExpr { expr: expression(&s.expr) }, s.span()))
        }
        Stmt::EmitRaw(s) => {
            let expr = Expr::Const(Spanned::new(ast::Const { value: Value::from(s.raw) }, s.span()));
            Stmt::EmitExpr(Spanned::new(ast::EmitExpr { expr }, s.span()))
        }
        Stmt::ForLoop(s) => {
            let for_loop = ast::ForLoop {
                target: target(&s.target),
                iter: expression(&s.iter),
                filter_expr: s.filter_expr.as_ref().map(expression),
                recursive: s.recursive,
                body: statements(&s.body)?,
                else_body: statements(&s.else_body)?,
            };
            Stmt::ForLoop(Spanned::new(for_loop, s.span()))
        }
        Stmt::IfCond(s) => {
            let condition = ast::IfCond {
                expr: expression(&s.expr),
                true_body: statements(&s.true_body)?,
                false_body: statements(&s.false_body)?,
            };
            Stmt::IfCond(Spanned::new(condition, s.span()))
        }
        Stmt::WithBlock(s) => {
            let assignments = s.assignments.iter().map(|(name, e)| (target(name), expression(e))).collect();
            Stmt::WithBlock(Spanned::new(
                ast::WithBlock { assignments, body: statements(&s.body)? },
                s.span(),
            ))
        }
        Stmt::Set(s) => {
            let expr = match s.target {
                Expr::Var(_) => expression(&s.expr),
                _ => through(HELD, expression(&s.expr), Vec::new(), s.span()),
            };
            Stmt::Set(Spanned::new(ast::Set { target: target(&s.target), expr }, s.span()))
        }
        Stmt::SetBlock(s) => {
            let set = ast::SetBlock {
                target: target(&s.target),
                filter: s.filter.as_ref().map(expression),
                body: statements(&s.body)?,
            };
            Stmt::SetBlock(Spanned::new(set, s.span()))
        }
        Stmt::AutoEscape(s) => {
            let escape = ast::AutoEscape { enabled: expression(&s.enabled), body: statements(&s.body)? };
            Stmt::AutoEscape(Spanned::new(escape, s.span()))
        }
        Stmt::FilterBlock(s) => {
            let filter = ast::FilterBlock { filter: expression(&s.filter), body: statements(&s.body)? };
            Stmt::FilterBlock(Spanned::new(filter, s.span()))
        }
        Stmt::Macro(s) => Stmt::Macro(macro_of(s)?),
        Stmt::CallBlock(s) => {
            let block = ast::CallBlock { call: call(&s.call), macro_decl: macro_of(&s.macro_decl)? };
            Stmt::CallBlock(Spanned::new(block, s.span()))
        }
        Stmt::Continue(s) => Stmt::Continue(Spanned::new(ast::Continue, s.span())),
        Stmt::Break(s) => Stmt::Break(Spanned::new(ast::Break, s.span())),
        Stmt::Do(s) => Stmt::Do(Spanned::new(ast::Do { call: call(&s.call) }, s.span())),
        Stmt::Block(_) | Stmt::Extends(_) | Stmt::Include(_) | Stmt::Import(_) | Stmt::FromImport(_) => {
            let problem = "it is made of several templates (block, extends, include, import)";
            return Err(Error::new(ErrorKind::SyntaxError, problem));
        }
    })
}
