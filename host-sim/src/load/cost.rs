//! What a module costs to compile, before it is compiled. The compiler's time and memory grow with the code, but for what stands in few
//! bytes for much, or grows with its square: locals, wide types, jump tables, loops, handlers around calls, references that live across
//! calls. These are counted, and bounded, so that a small module can't keep the host busy. The weights were measured.

use wasmparser::{
    BlockType, CompositeInnerType, FunctionBody, Operator, Parser, Payload, RecGroup, SubType, TypeRef,
    ValType,
};

use crate::error::LoadError;

/// What may be counted in a function, and in a module. One is about a microsecond of one core that is busy with other things too.
const FUNCTION: u64 = 20_000_000;
const MODULE: u64 = 300_000_000;
/// What is counted for an operator, for a function beside its operators, and for a value that a call, or a block, takes or gives.
const OPERATOR: u64 = 5;
const BODY: u64 = 800;
const CALL_VALUE: u64 = 40;
const BLOCK_VALUE: u64 = 15;
/// Bodies of functions, exported and imported things, and segments, each. Real modules have some tens of thousands at most.
const ITEMS: u32 = 200_000;

/// Refuses modules that would be too much to compile, and those whose cost can't be told for being malformed.
pub(crate) fn bounded(module: &[u8]) -> Result<(), LoadError> {
    let mut outline = Outline::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(Stop::from).and_then(|payload| outline.payload(&payload)) {
            Ok(()) => {}
            Err(Stop::Malformed(what)) => return Err(LoadError::Compile(what)),
            Err(Stop::TooMuch(what)) => return Err(LoadError::TooCostly(what)),
        }
    }
    Ok(())
}

enum Stop {
    Malformed(String),
    TooMuch(String),
}

impl From<wasmparser::BinaryReaderError> for Stop {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What is known of a module so far.
#[derive(Default)]
struct Outline {
    /// Of each type, how many parameters and results, or fields, it has.
    widths: Vec<u32>,
    /// The type of each function, and of each tag, imported ones first.
    functions: Vec<u32>,
    imported: usize,
    tags: Vec<u32>,
    /// Whether it has references that are collected.
    managed: bool,
    bodies: u32,
    cost: u64,
}

impl Outline {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), Stop> {
        match payload {
            Payload::TypeSection(types) => {
                items("types", types.count())?;
                for group in types.clone() {
                    self.group(group?);
                }
            }
            Payload::ImportSection(imports) => {
                items("imports", imports.count())?;
                for import in imports.clone().into_imports() {
                    match import?.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.functions.push(ty),
                        TypeRef::Tag(tag) => self.tags.push(tag.func_type_idx),
                        TypeRef::Table(table) => self.note(ValType::Ref(table.element_type)),
                        TypeRef::Memory(_) | TypeRef::Global(_) => {}
                    }
                }
                self.imported = self.functions.len();
            }
            Payload::FunctionSection(functions) => {
                items("functions", functions.count())?;
                for ty in functions.clone() {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    self.note(ValType::Ref(table?.ty.element_type));
                }
            }
            Payload::TagSection(tags) => {
                items("tags", tags.count())?;
                for tag in tags.clone() {
                    self.tags.push(tag?.func_type_idx);
                }
            }
            Payload::GlobalSection(globals) => {
                items("globals", globals.count())?;
                for global in globals.clone() {
                    self.note(global?.ty.content_type);
                }
            }
            Payload::ExportSection(exports) => items("exports", exports.count())?,
            Payload::ElementSection(segments) => items("element segments", segments.count())?,
            Payload::DataSection(segments) => items("data segments", segments.count())?,
            Payload::CodeSectionEntry(body) => {
                let number = self.bodies;
                self.bodies += 1;
                self.cost += self.body(number, body)?;
                if self.cost > MODULE {
                    let message = format!(
                        "all its functions together count for more than {MODULE}: leave out what is not needed"
                    );
                    return Err(Stop::TooMuch(message));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn group(&mut self, group: RecGroup) {
        for SubType { composite_type, .. } in group.into_types() {
            let width = match composite_type.inner {
                CompositeInnerType::Func(function) => {
                    function.params().iter().chain(function.results()).for_each(|ty| self.note(*ty));
                    count(function.params().len() + function.results().len())
                }
                CompositeInnerType::Struct(fields) => {
                    self.managed = true;
                    count(fields.fields.len())
                }
                CompositeInnerType::Array(_) | CompositeInnerType::Cont(_) => {
                    self.managed = true;
                    1
                }
            };
            self.widths.push(width);
        }
    }

    fn note(&mut self, ty: ValType) {
        self.managed |= is_managed(ty);
    }

    fn width(&self, ty: u32) -> u64 {
        self.widths.get(ty as usize).copied().unwrap_or(0).into()
    }

    fn width_of(&self, of: &[u32], index: u32) -> u64 {
        of.get(index as usize).map_or(0, |ty| self.width(*ty))
    }

    /// What one function costs, its locals first.
    fn body(&self, number: u32, body: &FunctionBody<'_>) -> Result<u64, Stop> {
        let own = self.functions.get(self.imported..).unwrap_or_default();
        let outermost = Label { width: self.width_of(own, number), ..Label::default() };
        let mut work = Work { cost: BODY, managed: self.managed, labels: vec![outermost], ..Work::default() };
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            work.cost += u64::from(count);
            if matches!(ty, ValType::Ref(_)) {
                work.references += u64::from(count);
                work.managed |= is_managed(ty);
            }
        }
        for operator in body.get_operators_reader()? {
            work.operator(self, &operator?);
            if work.total() > FUNCTION {
                return Err(Stop::TooMuch(format!(
                    "function {number} of its code counts for more than {FUNCTION}: split it, or use fewer loops, handlers and wide types"
                )));
            }
        }
        Ok(work.total())
    }
}

/// A block that is open.
#[derive(Clone, Copy, Default)]
struct Label {
    /// How many values its type has.
    width: u64,
    /// Handlers and loops around what is in it.
    handlers: u64,
    loops: u64,
}

/// What was counted of a function so far.
#[derive(Default)]
struct Work {
    cost: u64,
    /// Whether there are references that are collected.
    managed: bool,
    /// What may hold a reference, and where those that live are listed.
    references: u64,
    calls: u64,
    loops: u64,
    labels: Vec<Label>,
}

impl Work {
    fn total(&self) -> u64 {
        let listed = if self.managed { self.references.saturating_mul(self.calls) } else { 0 };
        self.cost.saturating_add(listed)
    }

    fn operator(&mut self, outline: &Outline, operator: &Operator<'_>) {
        self.cost += OPERATOR;
        match operator {
            Operator::Block { blockty } | Operator::If { blockty } => drop(self.enter(outline, *blockty)),
            Operator::Loop { blockty } => {
                let label = self.enter(outline, *blockty);
                label.loops += 1;
                let depth = label.loops;
                // Each is held against all others, and the more so the deeper it is.
                self.loops += 1;
                self.cost += 2 * self.loops + depth * depth / 50;
            }
            Operator::TryTable { try_table } => {
                let catches = u64::from(count(try_table.catches.len()));
                self.enter(outline, try_table.ty).handlers += catches;
                self.cost += catches;
            }
            Operator::End => drop(self.labels.pop()),
            Operator::Return => self.branch(self.labels.first().copied()),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch_to(*relative_depth)
            }
            Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => {
                self.references += 1;
                self.branch_to(*relative_depth);
            }
            Operator::BrTable { targets } => {
                for depth in targets.targets().map_while(Result::ok).chain([targets.default()]) {
                    self.cost += 1;
                    self.branch_to(depth);
                }
            }
            Operator::Call { function_index: index } | Operator::ReturnCall { function_index: index } => {
                self.call(outline.width_of(&outline.functions, *index));
            }
            Operator::CallIndirect { type_index: ty, .. }
            | Operator::ReturnCallIndirect { type_index: ty, .. }
            | Operator::CallRef { type_index: ty }
            | Operator::ReturnCallRef { type_index: ty } => self.call(outline.width(*ty)),
            Operator::Throw { tag_index } => self.call(outline.width_of(&outline.tags, *tag_index)),
            Operator::ThrowRef => self.call(0),
            Operator::StructNew { struct_type_index: ty }
            | Operator::StructNewDefault { struct_type_index: ty } => self.call(outline.width(*ty)),
            Operator::ArrayNewFixed { array_size, .. } => self.call((*array_size).into()),
            Operator::ArrayNew { .. }
            | Operator::ArrayNewDefault { .. }
            | Operator::ArrayNewData { .. }
            | Operator::ArrayNewElem { .. } => self.call(0),
            Operator::StructGet { .. }
            | Operator::ArrayGet { .. }
            | Operator::GlobalGet { .. }
            | Operator::TableGet { .. }
            | Operator::RefCastNonNull { .. }
            | Operator::RefCastNullable { .. }
            | Operator::AnyConvertExtern
            | Operator::ExternConvertAny
            | Operator::TypedSelect { .. } => self.references += 1,
            _ => {}
        }
    }

    fn enter(&mut self, outline: &Outline, ty: BlockType) -> &mut Label {
        let width = match ty {
            BlockType::Empty => 0,
            BlockType::Type(ty) => {
                self.managed |= is_managed(ty);
                1
            }
            BlockType::FuncType(ty) => outline.width(ty),
        };
        self.references += width;
        self.cost += width * BLOCK_VALUE;
        let around = self.labels.last().copied().unwrap_or_default();
        let at = self.labels.len();
        self.labels.push(Label { width, ..around });
        &mut self.labels[at]
    }

    fn branch_to(&mut self, depth: u32) {
        let at = self.labels.len().checked_sub(depth as usize + 1);
        self.branch(at.and_then(|at| self.labels.get(at)).copied());
    }

    fn branch(&mut self, to: Option<Label>) {
        self.cost += to.unwrap_or_default().width * BLOCK_VALUE;
    }

    /// A call, or what is one to the compiler: it takes and gives so many values, and may go on at each handler around it.
    fn call(&mut self, width: u64) {
        let handlers = self.labels.last().map_or(0, |label| label.handlers);
        self.calls += 1;
        self.references += width;
        self.cost += width * CALL_VALUE + 2 * handlers * handlers;
    }
}

/// Whether values of a type are collected.
fn is_managed(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if !ty.is_func_ref())
}

fn items(what: &str, found: u32) -> Result<(), Stop> {
    if found <= ITEMS {
        Ok(())
    } else {
        Err(Stop::TooMuch(format!("{found} {what}, expected at most {ITEMS}")))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
