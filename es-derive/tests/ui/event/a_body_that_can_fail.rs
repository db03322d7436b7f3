use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    age: u8,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register(age: &str) -> Self {
        Self { root: Root::new(), age: age.parse()? }
    }

    #[event("Aged")]
    fn grow(&mut self, years: &str) {
        if years.is_empty() {
            return Err("no years");
        }
        println!("{}", years.parse::<u8>()?);
        self.age += years.parse::<u8>()?;
        let parse = |text: &str| -> Option<u8> { Some(text.parse::<u8>().ok()? + 1) };
        fn nested(text: &str) -> Option<u8> {
            Some(text.parse::<u8>().ok()? + 1)
        }
        self.age += parse(years).or(nested(years)).unwrap_or(0);
        drop(async { Some(years.parse::<u8>().ok()? + 1) });
    }
}

fn main() {}
