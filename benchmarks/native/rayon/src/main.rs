// SPDX-License-Identifier: MIT
// The workloads of ../map.cpp by rayon: bench-rayon WORKLOAD SIZE [FILE]. Prints the seconds; status 2 if it does not do it.
use rayon::prelude::*;
use std::cell::Cell;
use std::time::{Duration, Instant};

// As std's, which Debian 12's rustc does not have yet: whoever reads this assembly might look at the value.
fn black_box<T>(value: T) -> T {
    unsafe { std::arch::asm!("/* {0} */", in(reg) &value, options(nostack, preserves_flags)) };
    value
}

thread_local! { static LAST: Cell<u64> = Cell::new(1); }

// As in map.cpp: steps that nobody can shorten.
#[inline(never)]
fn spin(steps: u32) -> u32 {
    LAST.with(|last| {
        let mut x = last.get();
        for _ in 0..steps {
            x = (x ^ (x >> 29)).wrapping_mul(6364136223846793005);
        }
        last.set(x);
    });
    steps
}

fn square(x: f64) -> f64 {
    x * x + 1.0
}

fn text_of_32(mut i: usize) -> String {
    let mut text = [b'.'; 32];
    let mut k = 32;
    while i > 0 {
        k -= 1;
        text[k] = b'0' + (i % 10) as u8;
        i /= 10;
    }
    String::from_utf8(text.to_vec()).unwrap()
}

fn seconds_of(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
}

fn numbers(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64).collect()
}

fn squares(of: &[f64]) -> Vec<f64> {
    of.par_iter().map(|x| square(*x)).collect()
}

fn steps_in(path: &str) -> Vec<u32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let size: usize = words[1].parse().unwrap();
    let some_work = vec![1000; 10_000];
    black_box(some_work.par_iter().map(|s| spin(*s)).collect::<Vec<u32>>()); // its threads
    black_box(squares(&numbers(1000)));
    let seconds = match words[0].as_str() {
        "hot" => {
            let all = numbers(size);
            let calls = 2000;
            let mut batches: Vec<f64> = (0..21)
                .map(|_| seconds_of(|| for _ in 0..calls { black_box(squares(&all)); }) / calls as f64)
                .collect();
            batches.remove(0);
            median(batches)
        }
        "rested" => {
            let all = numbers(size);
            median((0..20).map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                seconds_of(|| { black_box(squares(&all)); })
            }).collect())
        }
        "fresh" => {
            let all = numbers(size);
            seconds_of(|| { black_box(squares(&all)); })
        }
        "in_place" => {
            let all = numbers(size);
            let mut out = vec![0.0; size];
            out.iter_mut().for_each(|x| *x = 1.0); // touched
            seconds_of(|| {
                out.par_iter_mut().zip(all.par_iter()).for_each(|(to, x)| *to = square(*x));
                black_box(&out);
            })
        }
        "balance" => {
            let steps = steps_in(&words[2]);
            seconds_of(|| { black_box(steps.par_iter().map(|s| spin(*s)).collect::<Vec<u32>>()); })
        }
        "nested" => {
            let inner = vec![steps_in(&words[2])[0]; size];
            seconds_of(|| {
                black_box((0..64usize).into_par_iter()
                    .map(|_| inner.par_iter().map(|s| spin(*s)).collect::<Vec<u32>>()[7] as f64)
                    .collect::<Vec<f64>>());
            })
        }
        "strings" => seconds_of(|| { black_box((0..size).into_par_iter().map(text_of_32).collect::<Vec<String>>()); }),
        "vectors" => seconds_of(|| {
            black_box((0..size).into_par_iter().map(|i| vec![i as f64; 1000]).collect::<Vec<Vec<f64>>>());
        }),
        _ => std::process::exit(2),
    };
    println!("{:.9}", seconds);
}
