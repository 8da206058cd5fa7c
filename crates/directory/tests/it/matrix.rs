//! R10, R11, A4: what becomes of a claim, for every evidence level, state of the user and setting of the token.

use latchkey_directory::values::{KnownUsers, Leniency, UserStatus};
use latchkey_wire::{BindingState, Code, Level, OneTimeCode};

use crate::enrolling::again;
use crate::world::{Machine, World};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Unknown,
    Known,
    Taken,
    Protected,
    ProtectedTaken,
    Disabled,
}

const WHO: [Who; 6] = [Who::Unknown, Who::Known, Who::Taken, Who::Protected, Who::ProtectedTaken, Who::Disabled];

#[derive(Debug, Clone, Copy)]
struct Cell {
    who: Who,
    with_code: bool,
    jit: bool,
    known: KnownUsers,
    second: Leniency,
    minimum: Level,
}

/// The rules of lifecycle.md, written down a second time.
fn expected(cell: Cell) -> Result<(Level, BindingState), Code> {
    let level = match (cell.who, cell.with_code) {
        // A code is made for a user; who is not there has none.
        (Who::Unknown, true) => return Err(Code::Enroll027),
        (Who::Unknown, false) => Level::Asserted,
        (_, true) => Level::MdmSigned,
        (_, false) => Level::KnownUser,
    };
    match cell.who {
        Who::Disabled => return Err(Code::Enroll023),
        Who::Protected | Who::ProtectedTaken if level < Level::MdmSigned => return Err(Code::Enroll024),
        Who::Unknown if !cell.jit => return Err(Code::Enroll022),
        _ => {}
    }
    if level < cell.minimum {
        return Err(Code::Enroll026);
    }
    let waits = level < Level::Inventory
        && match cell.who {
            Who::Taken => cell.second == Leniency::Pending,
            Who::Known => cell.known == KnownUsers::Pending,
            _ => false,
        };
    Ok((level, if waits { BindingState::Pending } else { BindingState::Active }))
}

#[tokio::test]
async fn a04_r10_r11_a_claim_comes_to_what_the_rules_say_and_never_to_more() {
    let world = World::new().await;
    let mut n = 0;
    for who in WHO {
        for with_code in [false, true] {
            for jit in [false, true] {
                for known in [KnownUsers::FirstDevice, KnownUsers::Pending] {
                    for second in [Leniency::Pending, Leniency::Allow] {
                        for minimum in [Level::Asserted, Level::KnownUser, Level::MdmSigned] {
                            n += 1;
                            let cell = Cell { who, with_code, jit, known, second, minimum };
                            assert_eq!(try_cell(&world, n, cell).await, expected(cell), "{cell:?}");
                        }
                    }
                }
            }
        }
    }
}

async fn try_cell(world: &World, n: u32, cell: Cell) -> Result<(Level, BindingState), Code> {
    let name = format!("user{n}");
    let now = world.now();
    let user = match cell.who {
        Who::Unknown => world.user(&format!("other{n}"), |_| ()).await,
        who => {
            world
                .user(&name, |user| {
                    user.protected = matches!(who, Who::Protected | Who::ProtectedTaken);
                    user.taken_at = matches!(who, Who::Taken | Who::ProtectedTaken).then_some(now);
                    if who == Who::Disabled {
                        user.status = UserStatus::Disabled;
                    }
                })
                .await
        }
    };
    let code: Option<OneTimeCode> = if cell.with_code { Some(world.code_for(&user, None).await) } else { None };
    world.change_policy(|policy| policy.jit = cell.jit).await;
    world
        .change_token(|token| {
            token.known_users = cell.known;
            token.on_second_device = cell.second;
            token.min_evidence = cell.minimum;
        })
        .await;
    let mut machine = Machine::new(&name);
    if let Some(code) = &code {
        machine = machine.code(again(code));
    }
    let users = world.users().await.len();
    let devices = world.devices().await.len();
    match world.enroll(&mut machine).await {
        Ok(outcome) => {
            let [binding] = outcome.bindings.as_slice() else { panic!("one binding") };
            assert_eq!(binding.login_name, format!("{name}@acme.example"), "a claim is never pointed elsewhere");
            Ok((binding.level, binding.state))
        }
        Err(refused) => {
            let after = (world.users().await.len(), world.devices().await.len());
            assert_eq!(after, (users, devices), "a refusal leaves nothing behind");
            Err(refused.code)
        }
    }
}
