//! A writer of GGUF files: what is put in comes out, sense or not

/// Ids of the types that the tests write.
pub(crate) mod type_id {
    pub(crate) const F32: u32 = 0;
    pub(crate) const F16: u32 = 1;
    pub(crate) const BF16: u32 = 30;
    pub(crate) const TQ1_0: u32 = 34;
    pub(crate) const TQ2_0: u32 = 35;
    pub(crate) const I2_S: u32 = 36;
}

/// A value of metadata.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(u8),
    Text(Vec<u8>),
    /// Elements of one type.
    List(Vec<Self>),
    /// Any type code and bytes.
    Raw(u32, Vec<u8>),
}

impl Field {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    fn code(&self) -> u32 {
        match self {
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::Text(_) => 8,
            Self::List(_) => 9,
            Self::Raw(code, _) => *code,
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::U32(value) => to.extend(value.to_le_bytes()),
            Self::I32(value) => to.extend(value.to_le_bytes()),
            Self::F32(value) => to.extend(value.to_le_bytes()),
            Self::Bool(value) => to.push(*value),
            Self::Text(text) => string(text, to),
            Self::List(elements) => {
                to.extend(elements.first().map_or(4, Self::code).to_le_bytes());
                to.extend((elements.len() as u64).to_le_bytes());
                elements.iter().for_each(|element| element.write(to));
            }
            Self::Raw(_, bytes) => to.extend(bytes),
        }
    }
}

/// A tensor and its data.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// Innermost first.
    pub(crate) dims: Vec<u64>,
    pub(crate) type_id: u32,
    pub(crate) data: Vec<u8>,
}

/// A file before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) alignment: usize,
    pub(crate) pairs: Vec<(String, Field)>,
    pub(crate) tensors: Vec<Tensor>,
}

impl Gguf {
    /// Sets or adds the value under `key`.
    pub(crate) fn set(&mut self, key: &str, field: Field) {
        match self.pairs.iter_mut().find(|(other, _)| other == key) {
            Some((_, old)) => *old = field,
            None => self.pairs.push((key.into(), field)),
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.pairs.retain(|(other, _)| other != key);
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).expect("a tensor of this name")
    }

    pub(crate) fn add(&mut self, name: &str, dims: &[u64], type_id: u32, data: Vec<u8>) {
        self.tensors.push(Tensor { name: name.into(), dims: dims.into(), type_id, data });
    }

    /// The file, with tensors in the order in which they were added.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(self.alignment), 0);
        for tensor in &self.tensors {
            bytes.extend(&tensor.data);
            bytes.resize(bytes.len().next_multiple_of(self.alignment), 0);
        }
        bytes
    }

    /// All before the data.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, field) in &self.pairs {
            string(key.as_bytes(), &mut bytes);
            bytes.extend(field.code().to_le_bytes());
            field.write(&mut bytes);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            string(tensor.name.as_bytes(), &mut bytes);
            bytes.extend(u32::try_from(tensor.dims.len()).expect("few").to_le_bytes());
            bytes.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            bytes.extend(tensor.type_id.to_le_bytes());
            bytes.extend((offset as u64).to_le_bytes());
            offset += tensor.data.len().next_multiple_of(self.alignment);
        }
        bytes
    }
}

fn string(text: &[u8], to: &mut Vec<u8>) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text);
}
