//! The expressions that have mutants, each rewritten so that a switch chooses. Nothing is evaluated more or less often than before.

use std::collections::{BTreeMap, HashSet};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, ImplItemFn, ItemFn, ReturnType, Signature,
    TraitItemFn, Type, UnOp,
};

use crate::edits::{Edits, Text};
use crate::spot::{self, Kind, Mutant, Spot};

pub struct Sites<'a> {
    pub edits: Edits,
    source: &'a str,
    mutants: &'a BTreeMap<Spot, Vec<&'a Mutant>>,
    kept: &'a HashSet<&'a str>,
}

fn on(mutant: &Mutant) -> String {
    format!("crate::mutant::on({})", mutant.number)
}

impl<'a> Sites<'a> {
    pub fn new(source: &'a str, mutants: &'a BTreeMap<Spot, Vec<&'a Mutant>>, kept: &'a HashSet<&'a str>) -> Self {
        Self { edits: Edits::new(source), source, mutants, kept }
    }

    fn at(&self, span: proc_macro2::Span, kind: Kind) -> Vec<&'a Mutant> {
        let here = self.mutants.get(&spot::of(span.start())).into_iter().flatten();
        here.filter(|mutant| mutant.kind == kind).copied().collect()
    }

    fn range(&self, item: &impl Spanned) -> (usize, usize) {
        let span = item.span();
        (self.edits.offset(span.start()), self.edits.offset(span.end()))
    }

    /// Whether the function is left as it is, as a constant is made by it; what else was `const` no longer is.
    fn stays_const(&mut self, signature: &Signature) -> bool {
        let Some(token) = &signature.constness else { return false };
        if self.kept.contains(signature.ident.to_string().as_str()) {
            return true;
        }
        let (start, end) = self.range(token);
        self.edits.replace(start, end, "");
        false
    }

    fn body(&mut self, signature: &Signature, block: &Block) {
        let is_hidden = |output: &Type| matches!(output, Type::ImplTrait(_));
        let Some(first) = block.stmts.first() else { return };
        // Two returns of it are of one type.
        if matches!(&signature.output, ReturnType::Type(_, output) if is_hidden(output)) {
            return;
        }
        let mutants = self.at(first.span(), Kind::Function);
        let text = mutants.iter().fold(Text::default(), |text, mutant| {
            let switch = format!("if {} {{ return {}; }} ", on(mutant), mutant.replacement);
            text.of(mutant.number, &switch)
        });
        if !mutants.is_empty() {
            let (start, _) = self.range(first);
            self.edits.open(start, text);
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) -> bool {
        if self.stays_const(signature) {
            return false;
        }
        self.body(signature, block);
        true
    }

    /// `if` one of the mutants is on, that; `else` what there was.
    fn choice(&self, mutants: &[&Mutant], expression: impl Fn(&str) -> String, original: &str) -> Text {
        let text = mutants.iter().fold(Text::default(), |text, mutant| {
            text.of(mutant.number, &format!("if {} {{ {} }} else ", on(mutant), expression(&mutant.replacement)))
        });
        text.push(&format!("{{ {} }}", expression(original)))
    }

    fn binary(&mut self, binary: &ExprBinary, mutants: &[&Mutant]) {
        let (start, end) = self.range(binary);
        let (operator_start, operator_end) = self.range(&binary.op);
        let operator = self.source[operator_start..operator_end].to_owned();
        let ids = mutants.iter().map(|mutant| mutant.number).collect();
        let is_let = |side: &Expr| matches!(side, Expr::Let(_));
        if is_let(&binary.left) || is_let(&binary.right) {
            return;
        }
        match &binary.op {
            BinOp::And(_) | BinOp::Or(_) => {
                let [mutant] = mutants else { return };
                let is_other = matches!(binary.op, BinOp::And(_)) == (mutant.replacement == "||");
                if !is_other {
                    return;
                }
                let (then, end_text) = if matches!(binary.op, BinOp::And(_)) {
                    ("", " } else { l__ } })")
                } else {
                    ("l__ } else { ", " } })")
                };
                self.edits.open(start, "({ let l__: bool = ");
                let middle = Text::from("; if l__ != ").of(mutant.number, &on(mutant)).push(&format!(" {{ {then}"));
                self.edits.replace(operator_start, operator_end, middle);
                self.edits.close(end, end_text);
            }
            BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_) => {
                self.edits.open(start, "(match (&(");
                self.edits.replace(operator_start, operator_end, "), &(");
                let choice = self.choice(mutants, |operator| format!("l__ {operator} r__"), &operator);
                self.edits.close(end, Text::from(")) { (l__, r__) => ").append(choice).push(" })"));
            }
            _ if operator.ends_with('=') => {
                let (left_start, left_end) = self.range(&binary.left);
                let place = self.source[left_start..left_end].to_owned();
                self.edits.replace(start, operator_end, "{ let r__ = ");
                let choice = self.choice(mutants, |operator| format!("{place} {operator} r__;"), &operator);
                self.edits.close(end, Text::from("; ").append(choice).push(" }"));
            }
            _ => {
                self.edits.open(start, "(match (");
                self.edits.replace(operator_start, operator_end, ", ");
                let choice = self.choice(mutants, |operator| format!("l__ {operator} r__"), &operator);
                self.edits.close(end, Text::from(") { (l__, r__) => ").append(choice).push(" })"));
            }
        }
        self.edits.site(ids, start, end);
    }
}

impl<'ast> Visit<'ast> for Sites<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if self.function(&function.sig, &function.block) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if self.function(&function.sig, &function.block) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if function.default.as_ref().is_none_or(|block| self.function(&function.sig, block)) {
            visit::visit_trait_item_fn(self, function);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let mutants = self.at(binary.op.span(), Kind::Binary);
        if !mutants.is_empty() {
            self.binary(binary, &mutants);
            let assigns = self.source[self.range(&binary.op).0..self.range(&binary.op).1].ends_with('=')
                && !matches!(binary.op, BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Le(_) | BinOp::Ge(_));
            if assigns {
                // Its left side stands in it as it was.
                return self.visit_expr(&binary.right);
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        if let ([mutant], UnOp::Not(_)) = (&self.at(unary.span(), Kind::Unary)[..], &unary.op) {
            let (start, end) = self.range(unary);
            self.edits.open(start, "((");
            self.edits.close(end, Text::from(") != ").of(mutant.number, &on(mutant)).push(")"));
            self.edits.site(vec![mutant.number], start, end);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, matched: &'ast ExprMatch) {
        let deleted = matched.arms.iter().flat_map(|arm| self.at(arm.span(), Kind::Arm));
        let deleted: Vec<u64> = deleted.map(|mutant| mutant.number).collect();
        if !deleted.is_empty() {
            let (start, end) = self.range(matched);
            self.edits.arms(deleted, start, end);
        }
        visit::visit_expr_match(self, matched);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let deleted = self.at(arm.span(), Kind::Arm);
        match (&deleted[..], &arm.guard) {
            ([mutant], None) => {
                let (_, end) = self.range(&arm.pat);
                self.edits.close(end, Text::default().of(mutant.number, &format!(" if !{}", on(mutant))));
            }
            ([mutant], Some((_, guard))) => {
                let (start, end) = self.range(guard);
                self.edits.open(start, Text::default().of(mutant.number, &format!("!{} && (", on(mutant))));
                self.edits.close(end, ")");
            }
            _ => {}
        }
        if let Some((_, guard)) = &arm.guard {
            let mutants = self.at(guard.span(), Kind::Guard);
            if !mutants.is_empty() {
                let (start, end) = self.range(guard);
                let pick = |value| mutants.iter().filter(move |mutant| mutant.replacement == value);
                let yes = pick("true")
                    .fold(Text::from("("), |text, mutant| text.of(mutant.number, &format!("{} || ", on(mutant))));
                let no = pick("false")
                    .fold(Text::from(")"), |text, mutant| text.of(mutant.number, &format!(" && !{}", on(mutant))));
                self.edits.open(start, Text::from("(").append(yes).push("("));
                self.edits.close(end, Text::from(")").append(no).push(")"));
                self.edits.site(mutants.iter().map(|mutant| mutant.number).collect(), start, end);
            }
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, built: &'ast ExprStruct) {
        if let Some(rest) = &built.rest {
            let (start, end) = self.range(rest);
            let base = self.source[start..end].to_owned();
            for field in &built.fields {
                let [mutant] = self.at(field.span(), Kind::Field)[..] else { continue };
                let (_, field_end) = self.range(field);
                let (start, end) = self.range(&field.expr);
                let name = match &field.member {
                    syn::Member::Named(name) => name.to_string(),
                    syn::Member::Unnamed(index) => index.index.to_string(),
                };
                let label = if field.colon_token.is_none() { format!("{name}: ") } else { String::new() };
                let switch = format!("if {} {{ ({base}).{name} }} else ", on(mutant));
                self.edits.open(start, Text::from(label.as_str()).of(mutant.number, &switch).push("{ "));
                self.edits.close(end, " }");
                self.edits.site(vec![mutant.number], start, field_end);
            }
        }
        visit::visit_expr_struct(self, built);
    }
}
