//! What needs an operating system: model files, threads, terminals (feature `std`)

mod model_file;
mod releasing;
mod save_folder;
mod stream;
mod terminal;
mod thread_pool;

pub use model_file::ModelFile;
pub use releasing::Releasing;
pub use save_folder::SaveFolder;
pub use stream::StdStream;
pub use terminal::Terminal;
pub use thread_pool::ThreadPool;
