use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("Barked")]
    fn bark(&mut self, times: u8, times: u8) {}
}

// To the compiler, these are two names.
macro_rules! cat {
    ($age:ident) => {
        #[derive(Aggregate)]
        #[aggregate("Cat")]
        struct Cat {
            root: Root<Self>,
            age: u8,
        }

        #[events]
        impl Cat {
            #[event("Registered")]
            fn register() -> Self {
                Self { root: Root::new(), age: 0 }
            }

            #[event("Aged")]
            fn grow(&mut self, age: u8, $age: u8) {
                self.age = age + $age;
            }
        }
    };
}

cat!(age);

fn main() {}
