//! Reading a module's sections.

use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, MemoryType, Name, NameSectionReader, Parser, Payload,
    ProducersSectionReader, TypeRef, Validator,
};

use super::{Export, Import, InspectError, Inspection, Kind, MemoryShape, Origin, PAGE};
use crate::error::LoadError;
use crate::load;
use crate::module::AbiVersion;

/// What a component begins with: the version 13 in the layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

pub(super) fn read(bytes: &[u8]) -> Result<Inspection, InspectError> {
    if bytes.starts_with(COMPONENT) {
        return Err(InspectError::Component);
    }
    if !Inspection::looks_like_wasm(bytes) {
        return Err(InspectError::NotWasm);
    }
    let binary = wat::parse_bytes(bytes).map_err(|error| match load::of_text(&error.to_string()) {
        LoadError::Text { message, line, column } => {
            InspectError::Malformed(format!("{message} at line {line}, column {column}"))
        }
        other => InspectError::Malformed(other.to_string()),
    })?;
    let malformed = |e: wasmparser::BinaryReaderError| InspectError::Malformed(e.to_string());
    Validator::new().validate_all(&binary).map_err(malformed)?;
    let mut reader =
        Reader { out: Inspection { bytes: binary.len(), ..Inspection::default() }, ..Reader::default() };
    for payload in Parser::new(0).parse_all(&binary) {
        reader.payload(payload.map_err(malformed)?).map_err(malformed)?;
    }
    let mut out = reader.out;
    out.origin = Origin::guess(&out);
    Ok(out)
}

#[derive(Default)]
struct Reader {
    out: Inspection,
    types: Vec<FuncType>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
}

impl Reader {
    fn payload(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types {
                    for sub in group?.into_types() {
                        self.types.push(match sub.composite_type.inner {
                            CompositeInnerType::Func(function) => function,
                            // No function has such a type; the place is kept.
                            _ => FuncType::new([], []),
                        });
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    let kind = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.functions.push(ty);
                            self.signature(ty)
                        }
                        TypeRef::Memory(memory) => {
                            self.memory(&memory, true);
                            Kind::Memory
                        }
                        TypeRef::Table(_) => Kind::Table,
                        TypeRef::Global(_) => Kind::Global,
                        TypeRef::Tag(_) => Kind::Tag,
                    };
                    let (module, name) = (import.module.to_owned(), import.name.to_owned());
                    self.out.imports.push(Import { module, name, kind });
                }
            }
            Payload::FunctionSection(functions) => {
                self.out.functions = functions.count() as usize;
                for ty in functions {
                    self.functions.push(ty?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memory(&memory?, false);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    let kind = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => {
                            let ty = self.functions.get(export.index as usize).copied();
                            self.signature(ty.unwrap_or(u32::MAX))
                        }
                        ExternalKind::Memory => Kind::Memory,
                        ExternalKind::Table => Kind::Table,
                        ExternalKind::Global => Kind::Global,
                        ExternalKind::Tag => Kind::Tag,
                    };
                    self.marker(export.name);
                    self.out.exports.push(Export { name: export.name.to_owned(), kind });
                }
            }
            Payload::StartSection { .. } => self.out.start = true,
            Payload::CodeSectionStart { size, .. } => self.out.code_bytes = size as usize,
            Payload::DataSection(data) => {
                self.out.data_bytes = data.range().len();
            }
            Payload::CustomSection(section) => {
                self.out.custom.push((section.name().to_owned(), section.data().len()));
                // What these sections say is no part of the program, and often cut short: what can be read is.
                match section.as_known() {
                    wasmparser::KnownCustom::Name(names) => self.names(names),
                    wasmparser::KnownCustom::Producers(producers) => self.producers(producers),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn signature(&self, ty: u32) -> Kind {
        let Some(ty) = self.types.get(ty as usize) else { return Kind::Function(Vec::new(), Vec::new()) };
        let names = |types: &[wasmparser::ValType]| types.iter().map(ToString::to_string).collect();
        Kind::Function(names(ty.params()), names(ty.results()))
    }

    fn memory(&mut self, memory: &MemoryType, imported: bool) {
        let shape = MemoryShape {
            initial: memory.initial.saturating_mul(PAGE),
            maximum: memory.maximum.map(|pages| pages.saturating_mul(PAGE)),
            imported,
            shared: memory.shared,
        };
        self.out.memory.get_or_insert(shape);
    }

    fn marker(&mut self, name: &str) {
        match AbiVersion::MARKERS.iter().find(|(_, marker)| *marker == name) {
            Some((version, _)) => self.out.abi.push(*version),
            None if name.starts_with("proxy_abi_version_") => {
                self.out.unknown_markers.push(name.to_owned());
            }
            None => {}
        }
    }

    fn names(&mut self, names: NameSectionReader<'_>) {
        for name in names.into_iter().map_while(Result::ok) {
            if let Name::Module { name, .. } = name {
                self.out.name = Some(name.to_owned()).filter(|name| !name.is_empty());
            }
        }
    }

    fn producers(&mut self, producers: ProducersSectionReader<'_>) {
        for field in producers.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                let entry = (field.name.to_owned(), value.name.to_owned(), value.version.to_owned());
                self.out.producers.push(entry);
            }
        }
    }
}
