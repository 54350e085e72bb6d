//! From a plan that fails to a smaller one that still does: whatever can be left out is.

use super::plan::{End, Plan, Session};

/// Plans that are a little smaller, the largest steps first.
pub(super) fn smaller(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    for index in 0..plan.sessions.len() {
        plans.push(changed(plan, |plan| drop(plan.sessions.remove(index))));
    }
    for index in 0..plan.server.faults.len() {
        plans.push(changed(plan, |plan| drop(plan.server.faults.remove(index))));
    }
    for index in 0..plan.sessions.len() {
        for session in smaller_sessions(&plan.sessions[index]) {
            plans.push(changed(plan, |plan| plan.sessions[index] = session));
        }
    }
    if plan.bindings.len() > 3 {
        plans.push(changed(plan, |plan| plan.bindings.truncate(3)));
    }
    if plan.bindings.len() > 1 {
        plans.push(changed(plan, |plan| drop(plan.bindings.pop())));
    }
    if plan.keys > 1 {
        plans.push(changed(plan, |plan| plan.keys = 1));
    }
    if plan.staging_prefix.is_some() {
        plans.push(changed(plan, |plan| plan.staging_prefix = None));
    }
    if plan.server.versioned {
        plans.push(changed(plan, |plan| plan.server.versioned = false));
    }
    plans
}

fn smaller_sessions(session: &Session) -> Vec<Session> {
    let mut sessions = Vec::new();
    for index in 0..session.incidents.len() {
        sessions.push(changed(session, |session| {
            session.incidents.remove(index);
        }));
    }
    for index in 0..session.changes.len() {
        sessions.push(changed(session, |session| {
            session.changes.remove(index);
        }));
    }
    for index in 0..session.transactions.len() {
        sessions.push(changed(session, |session| {
            session.transactions.remove(index);
        }));
        let transaction = session.transactions[index];
        if transaction.payload_bytes > 0 {
            sessions.push(changed(session, |session| {
                session.transactions[index].payload_bytes = 0;
            }));
        }
        if transaction.documents > 1 {
            sessions.push(changed(session, |session| {
                session.transactions[index].documents /= 2;
            }));
        }
    }
    if session.forgets {
        sessions.push(changed(session, |session| session.forgets = false));
    }
    if session.second_stack.is_some() {
        sessions.push(changed(session, |session| session.second_stack = None));
    }
    if session.upload_interval > 0 {
        sessions.push(changed(session, |session| session.upload_interval = 0));
    }
    if session.end != End::Acknowledged {
        sessions.push(changed(session, |session| session.end = End::Acknowledged));
    }
    sessions
}

fn changed<T: Clone>(of: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = of.clone();
    change(&mut changed);
    changed
}

/// Leaves out what can be left out while `fails` says yes, with so many tries at most.
pub(super) async fn shrink<F>(plan: Plan, mut tries: usize, fails: impl Fn(Plan) -> F) -> Plan
where
    F: Future<Output = bool>,
{
    let mut smallest = plan;
    'smaller: loop {
        for candidate in smaller(&smallest) {
            if tries == 0 {
                return smallest;
            }
            tries -= 1;
            if fails(candidate.clone()).await {
                smallest = candidate;
                continue 'smaller;
            }
        }
        return smallest;
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Change;
    use super::super::{Transaction, generate};
    use super::*;

    /// A plan that fails because a task is made again after something was committed.
    fn fails(plan: &Plan) -> bool {
        let remade = |session: &Session| {
            session
                .changes
                .iter()
                .any(|change| matches!(change, Change::Remake { .. }))
        };
        let stored = |session: &Session| {
            session
                .transactions
                .iter()
                .any(|transaction| transaction.documents > 2)
        };
        let second = plan.sessions.iter().position(remade);
        second.is_some_and(|second| plan.sessions[..second].iter().any(stored))
    }

    #[tokio::test]
    async fn only_what_makes_it_fail_is_left() {
        let plan = (0..1_000).map(generate).find(fails).unwrap();
        let smallest = shrink(plan, 1_000, |plan| async move { fails(&plan) }).await;
        assert_eq!(smallest.sessions.len(), 2);
        assert_eq!(
            smallest.sessions[0].transactions,
            [Transaction {
                documents: smallest.sessions[0].transactions[0].documents,
                payload_bytes: 0
            }]
        );
        assert!(
            smallest.sessions[0].incidents.is_empty()
                && smallest.sessions[1].transactions.is_empty()
        );
        assert!(smallest.server.faults.is_empty());
    }

    #[tokio::test]
    async fn it_ends_when_there_are_no_tries_left() {
        let plan = generate(5);
        assert_eq!(shrink(plan.clone(), 0, |_| async { true }).await, plan);
    }

    #[test]
    fn every_step_makes_a_plan_smaller() {
        for seed in 0..50 {
            let plan = generate(seed);
            let length = |plan: &Plan| serde_json::to_string(plan).unwrap().len();
            assert!(
                smaller(&plan)
                    .iter()
                    .all(|smaller| *smaller != plan && length(smaller) <= length(&plan) + 5)
            );
        }
    }
}
