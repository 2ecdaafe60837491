//! Runs a plan's nodes as soon as their inputs are there, on several threads.
//!
//! tract runs one node after another and shares only products and sums among threads. The two halves of LRNNet's blocks
//! (paper, Fig. 3) know nothing of each other, so each gets a thread; where a node is alone, tract shares it as before.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::multithread::{Executor, multithread_tract_scope};
use tract_onnx::tract_core::internal::{EvalContext, ensure, format_err};
use tract_onnx::tract_core::ops::konst::Const;

use super::guarded;
use crate::engine::RuntimeCause;

/// The most nodes at a time: LRNNet forks in two.
const MAX_WORKERS: usize = 2;

/// The threads of a run.
pub struct Threads {
    count: usize,
    pool: Executor,
}

impl Threads {
    pub fn new(count: NonZeroUsize) -> Self {
        let count = count.get();
        let pool = if count > 1 { Executor::multithread(count) } else { Executor::SingleThread };
        Self { count, pool }
    }

    /// What a node may use that shares the threads with others, `nodes` in all.
    fn share(&self, nodes: usize) -> Executor {
        if nodes < self.count { self.pool.clone() } else { Executor::SingleThread }
    }
}

/// A plan, and for each of its nodes what it waits for.
pub struct ParallelPlan {
    plan: Arc<TypedRunnableModel>,
    /// Nodes in tract's order, in which they need least memory. A node's place in it stands for the node below.
    steps: Vec<Step>,
    /// Places and slots of the model's outputs.
    outputs: Vec<(usize, usize)>,
}

struct Step {
    node: usize,
    operands: Vec<Operand>,
    /// The places that take its values, one for each value taken.
    users: Vec<usize>,
}

enum Operand {
    Constant(TValue),
    /// The model's input of a number.
    Input(usize),
    /// What the node at a place puts out at a slot.
    Computed {
        place: usize,
        slot: usize,
    },
}

impl ParallelPlan {
    /// The same run as that of `plan`.
    ///
    /// # Errors
    ///
    /// A node that keeps something from run to run, or an operand that the plan does not compute.
    pub fn new(plan: Arc<TypedRunnableModel>) -> TractResult<Self> {
        let model = plan.model();
        let order = plan.order_without_consts();
        let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, &node)| (node, place)).collect();
        let place = |node: usize| {
            places.get(&node).copied().ok_or_else(|| format_err!("{} is not in the plan", model.node(node)))
        };
        let mut steps = Vec::with_capacity(order.len());
        for &id in order {
            let node = model.node(id);
            ensure!(node.op().state(&context(id))?.is_none(), "{node} keeps something from run to run");
            let fed = model.inputs.iter().position(|outlet| outlet.node == id).map(Operand::Input);
            let operand = |outlet: &OutletId| match model.node(outlet.node).op_as::<Const>() {
                Some(constant) => Ok(Operand::Constant(constant.val().clone().into_tvalue())),
                None => Ok(Operand::Computed { place: place(outlet.node)?, slot: outlet.slot }),
            };
            let operands =
                fed.map(Ok).into_iter().chain(node.inputs.iter().map(operand)).collect::<TractResult<_>>()?;
            steps.push(Step { node: id, operands, users: vec![] });
        }
        for user in 0..steps.len() {
            for place in computed(&steps[user]).collect::<Vec<_>>() {
                steps[place].users.push(user);
            }
        }
        let outputs =
            model.outputs.iter().map(|outlet| Ok((place(outlet.node)?, outlet.slot))).collect::<TractResult<_>>()?;
        Ok(Self { plan, steps, outputs })
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// What the model puts out for `inputs`.
    ///
    /// # Errors
    ///
    /// What tract says of the first node that fails, and that it panicked.
    pub fn run(&self, inputs: &[TValue], threads: &Threads) -> Result<Vec<TValue>, RuntimeCause> {
        let run = Run { plan: self, inputs, threads, progress: Mutex::new(self.start()), turned: Condvar::new() };
        // tract keeps room for products per thread and by plan. Threads of this run alone can mix up no plans.
        std::thread::scope(|scope| {
            for _ in 0..threads.count.min(MAX_WORKERS) {
                scope.spawn(|| run.work());
            }
        });
        let progress = run.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        match progress.failed {
            Some(cause) => Err(cause),
            None => Ok(self.outputs.iter().map(|&(place, slot)| progress.values[place][slot].clone()).collect()),
        }
    }

    fn start(&self) -> Progress {
        let waits: Vec<usize> = self.steps.iter().map(|step| computed(step).count()).collect();
        let mut uses: Vec<usize> = self.steps.iter().map(|step| step.users.len()).collect();
        // An output stays until the end.
        self.outputs.iter().for_each(|&(place, _)| uses[place] += 1);
        Progress {
            ready: (0..waits.len()).filter(|&place| waits[place] == 0).collect(),
            left: waits.len(),
            values: vec![tvec![]; waits.len()],
            waits,
            uses,
            running: 0,
            failed: None,
        }
    }
}

/// The places whose values a step takes.
fn computed(step: &Step) -> impl Iterator<Item = usize> {
    step.operands.iter().filter_map(|operand| match operand {
        Operand::Computed { place, .. } => Some(*place),
        Operand::Constant(_) | Operand::Input(_) => None,
    })
}

/// Where a node is evaluated. All shapes are numbers, so that nothing else is to be known.
fn context(node_id: usize) -> EvalContext<'static> {
    EvalContext { node_id, ..EvalContext::out_of_plan() }
}

struct Run<'a> {
    plan: &'a ParallelPlan,
    inputs: &'a [TValue],
    threads: &'a Threads,
    progress: Mutex<Progress>,
    /// A node has become ready, or there will be none any more.
    turned: Condvar,
}

/// How far a run is. All lists are by place.
struct Progress {
    ready: BTreeSet<usize>,
    running: usize,
    /// Steps that are not done.
    left: usize,
    /// Values that a step waits for.
    waits: Vec<usize>,
    /// How often a step's values will be taken.
    uses: Vec<usize>,
    values: Vec<TVec<TValue>>,
    failed: Option<RuntimeCause>,
}

impl Run<'_> {
    /// Evaluates nodes as long as there are any.
    fn work(&self) {
        let mut progress = self.lock();
        while progress.left > 0 && progress.failed.is_none() {
            let Some(place) = progress.ready.pop_first() else {
                progress = self.turned.wait(progress).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            progress.running += 1;
            let executor = self.threads.share(progress.running + progress.ready.len());
            let step = &self.plan.steps[place];
            let operands = self.operands(step, &mut progress);
            drop(progress);
            let op = self.plan.plan.model().node(step.node).op();
            let result = guarded(|| multithread_tract_scope(executor, || op.eval(&context(step.node), operands)));
            progress = self.lock();
            progress.running -= 1;
            match result {
                Ok(values) => progress.done(place, values, step),
                Err(cause) => progress.failed = Some(cause),
            }
            self.turned.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last to take a value takes it itself, so that tract can write into its memory.
    fn operands(&self, step: &Step, progress: &mut Progress) -> TVec<TValue> {
        let operand = |operand: &Operand| match operand {
            Operand::Constant(value) => value.clone(),
            Operand::Input(input) => self.inputs[*input].clone(),
            Operand::Computed { place, slot } => progress.take(*place, *slot),
        };
        step.operands.iter().map(operand).collect()
    }
}

impl Progress {
    fn take(&mut self, place: usize, slot: usize) -> TValue {
        self.uses[place] -= 1;
        if self.uses[place] == 0 {
            std::mem::take(&mut self.values[place]).swap_remove(slot)
        } else {
            self.values[place][slot].clone()
        }
    }

    fn done(&mut self, place: usize, values: TVec<TValue>, step: &Step) {
        self.left -= 1;
        if self.uses[place] > 0 {
            self.values[place] = values;
        }
        for &user in &step.users {
            self.waits[user] -= 1;
            if self.waits[user] == 0 {
                self.ready.insert(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_core::internal::{EvalOp, Op, StaticName, TypedOp, as_op, not_out_of_plan, op_as_typed_op};
    use tract_onnx::tract_core::ops::math;

    use super::*;

    /// Fails in one of the ways in which a node can.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Broken {
        Error,
        Panic,
    }

    impl Op for Broken {
        fn name(&self) -> StaticName {
            "Broken".into()
        }

        op_as_typed_op!();
    }

    impl EvalOp for Broken {
        not_out_of_plan!();

        fn eval(&self, _: &EvalContext, _: TVec<TValue>) -> TractResult<TVec<TValue>> {
            match self {
                Self::Error => Err(format_err!("broken")),
                Self::Panic => panic!("broken"),
            }
        }
    }

    impl TypedOp for Broken {
        fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
            Ok(tvec![inputs[0].clone()])
        }

        as_op!();
    }

    fn threads(count: usize) -> Threads {
        Threads::new(NonZeroUsize::new(count).unwrap())
    }

    /// `(x + k) (x k)`, with `broken` in one of the halves, and `x + k`, which the product takes as well.
    fn plan(broken: Option<Broken>) -> ParallelPlan {
        let mut model = TypedModel::default();
        let x = model.add_source("x", f32::fact([2])).unwrap();
        let k = model.add_const("k", tensor1(&[10f32, 20.0])).unwrap();
        let sum = model.wire_node("sum", math::add(), &[x, k]).unwrap()[0];
        let mut product = model.wire_node("product", math::mul(), &[x, k]).unwrap()[0];
        if let Some(broken) = broken {
            product = model.wire_node("broken", broken, &[product]).unwrap()[0];
        }
        let all = model.wire_node("all", math::mul(), &[sum, product]).unwrap()[0];
        model.select_output_outlets(&[all, sum]).unwrap();
        ParallelPlan::new(model.into_runnable().unwrap()).unwrap()
    }

    #[test]
    fn any_number_of_threads_gives_the_same() {
        let plan = plan(None);
        let x: TValue = tensor1(&[1f32, 2.0]).into();
        for count in 1..=4 {
            for _ in 0..50 {
                let found = plan.run(std::slice::from_ref(&x), &threads(count)).unwrap();
                let values: Vec<_> = found.iter().map(|value| value.to_plain_array_view::<f32>().unwrap()).collect();
                assert_eq!(values[0].as_slice(), Some(&[110.0, 880.0][..]), "{count} threads");
                assert_eq!(values[1].as_slice(), Some(&[11.0, 22.0][..]), "{count} threads");
            }
        }
        assert_eq!(*x, tensor1(&[1f32, 2.0]), "what was fed stays as it is");
    }

    #[test]
    fn a_node_that_fails_ends_the_run() {
        let x: TValue = tensor1(&[1f32, 2.0]).into();
        for (broken, word) in [(Broken::Error, "broken"), (Broken::Panic, "panicked")] {
            for count in 1..=3 {
                let cause = plan(Some(broken.clone())).run(std::slice::from_ref(&x), &threads(count)).unwrap_err();
                assert!(cause.to_string().contains(word), "{cause}");
            }
        }
    }
}
