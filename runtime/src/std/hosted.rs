//! What needs an operating system: model files, threads, terminals (feature `std`)

mod model_file;
mod thread_pool;

pub use model_file::ModelFile;
pub use thread_pool::ThreadPool;
