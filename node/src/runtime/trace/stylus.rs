//! A recording in the shape of `stylusTracer`, which `cargo stylus trace` and `replay` read: an array of host calls
//! `{name, args, outs, startInk, endInk}`. A call of another contract also has its `address` and, in `steps`, what
//! that did. Frames that no host call asked for (what EVM code calls, and all creations) are steps named `evm_…`.
//!
//! Host calls of EEI contracts and those for debugging are shown by the names they are imported by, unless somebody reads who
//! knows Stylus only.

use std::fmt::Write;

use alloy_primitives::{Address, hex};

use super::{Entry, Frame, FrameKind, HostCall, HostCallName, Recording, Step};

/// What is shown of host calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StylusOptions {
    /// Whether those that cargo-stylus does not know, at whose names it panics, are left out.
    pub only_stylus: bool,
}

/// An entry whose inner entries are being written.
struct Open {
    index: usize,
    then: Then,
}

/// What is left to write of it.
enum Then {
    /// Nothing: the entries inside stand among those around.
    Nothing,
    /// The end of its array of steps, and of itself.
    EndSteps,
    /// All of it: it stands after the frame that it asked for.
    Itself,
}

/// Host calls whose frames stand in their `steps`; cargo-stylus reads an address and steps of them in any case.
const NESTING: [&str; 7] = [
    "call_contract",
    "delegate_call_contract",
    "static_call_contract",
    "call",
    "callCode",
    "callDelegate",
    "callStatic",
];
/// Host calls whose frames stand before them.
const CREATING: [&str; 3] = ["create1", "create2", "create"];

impl Recording {
    /// Returns the JSON of `stylusTracer`.
    pub fn to_stylus_json(&self, options: StylusOptions) -> String {
        let mut json = Json { text: String::from("["), is_first: true };
        let mut open: Vec<Open> = Vec::new();
        for (index, Entry { step, .. }) in self.entries.iter().enumerate() {
            self.close(index, &mut open, &mut json);
            let then = match step {
                // What is inside stands among what is around.
                Step::HostCall(call) if options.only_stylus && !call.name.is_stylus => continue,
                Step::Log(_) => Then::Nothing,
                Step::Frame(frame) if frame.kind == FrameKind::SelfDestruct => Then::Nothing,
                Step::Frame(frame) => {
                    let is_shown_by_parent = match open.last().map(|parent| &self.entries[parent.index].step)
                    {
                        None => true,
                        Some(Step::HostCall(call)) => call.is_one_of(&NESTING),
                        Some(Step::Frame(_) | Step::Log(_)) => false,
                    };
                    if is_shown_by_parent {
                        Then::Nothing
                    } else {
                        json.begin_frame(frame);
                        Then::EndSteps
                    }
                }
                Step::HostCall(call) if call.is_one_of(&NESTING) => {
                    json.begin_host_call(call);
                    json.begin_steps(call.arguments.get(..Address::len_bytes()).unwrap_or_default());
                    Then::EndSteps
                }
                Step::HostCall(call) if call.is_one_of(&CREATING) => Then::Itself,
                Step::HostCall(call) => {
                    json.host_call(call);
                    Then::Nothing
                }
            };
            open.push(Open { index, then });
        }
        self.close(self.entries.len(), &mut open, &mut json);
        json.text.push(']');
        json.text
    }

    /// Finishes the entries that end before the one with this index.
    fn close(&self, index: usize, open: &mut Vec<Open>, json: &mut Json) {
        while let Some(Open { index, then }) = open.pop_if(|open| self.entries[open.index].end <= index) {
            match (then, &self.entries[index].step) {
                (Then::EndSteps, _) => json.end_steps(),
                (Then::Itself, Step::HostCall(call)) => json.host_call(call),
                _ => {}
            }
        }
    }
}

impl HostCall {
    fn is_one_of(&self, names: &[&str]) -> bool {
        names.contains(&self.name.text)
    }
}

/// JSON being written.
struct Json {
    text: String,
    /// Whether the next element of the innermost array is its first.
    is_first: bool,
}

impl Json {
    /// Begins an element.
    fn begin(&mut self) {
        if !self.is_first {
            self.text.push(',');
        }
        self.is_first = false;
    }

    /// Writes a host call, but for its end.
    fn begin_host_call(&mut self, call: &HostCall) {
        let HostCall { name: HostCallName { text: name, .. }, arguments, results, start_ink, end_ink } = call;
        self.begin();
        let (arguments, results) = (hex::encode_prefixed(arguments), hex::encode_prefixed(results));
        // Names are those of host functions: nothing in them needs escaping.
        let _ = write!(
            self.text,
            r#"{{"name":"{name}","args":"{arguments}","outs":"{results}","startInk":{start_ink},"endInk":{end_ink}"#
        );
    }

    /// Writes a host call.
    fn host_call(&mut self, call: &HostCall) {
        self.begin_host_call(call);
        self.text.push('}');
    }

    /// Writes a frame that no host call asked for, up to its steps.
    fn begin_frame(&mut self, frame: &Frame) {
        let name = match frame.kind {
            FrameKind::Call | FrameKind::CallCode | FrameKind::SelfDestruct => "evm_call_contract",
            FrameKind::DelegateCall => "evm_delegate_call_contract",
            FrameKind::StaticCall => "evm_static_call_contract",
            FrameKind::Create => "evm_create1",
            FrameKind::Create2 => "evm_create2",
        };
        self.begin();
        let _ = write!(self.text, r#"{{"name":"{name}","args":"0x","outs":"0x","startInk":0,"endInk":0"#);
        self.begin_steps(frame.address.as_slice());
    }

    /// Begins the steps of an element.
    fn begin_steps(&mut self, address: &[u8]) {
        let _ = write!(self.text, r#","address":"{}","steps":["#, hex::encode_prefixed(address));
        self.is_first = true;
    }

    /// Ends the steps of an element, and the element.
    fn end_steps(&mut self) {
        self.text.push_str("]}");
        self.is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, U256};
    use revm::{
        context_interface::CreateScheme,
        interpreter::{CreateInputs, InstructionResult, interpreter_action::FrameInput},
    };

    use super::{
        super::{Capture, FrameEnd, Outline, Recorder},
        *,
    };

    fn create() -> FrameInput {
        let (code, scheme) = (Bytes::new(), CreateScheme::Create);
        FrameInput::Create(Box::new(CreateInputs::new(Address::ZERO, scheme, U256::ZERO, code, 0, 0)))
    }

    fn ended() -> FrameEnd {
        FrameEnd { result: InstructionResult::Stop, gas_left: 0, output: Bytes::new(), trapped: false }
    }

    fn json(recorder: Recorder) -> serde_json::Value {
        let json = recorder
            .finish(Outline::default(), None)
            .expect("a short recording")
            .to_stylus_json(StylusOptions::default());
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
    }

    /// Names of steps, and of those inside them.
    fn names(steps: &serde_json::Value) -> String {
        let names = steps.as_array().expect("an array").iter().map(|step| {
            let inner = step.get("steps").map(|steps| format!("({})", names(steps))).unwrap_or_default();
            format!("{}{inner}", step["name"].as_str().expect("a name"))
        });
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn frames_stand_where_cargo_stylus_looks_for_them() {
        let mut recorder = Recorder::new(&Capture { host_calls: true, ..Capture::default() });
        let call =
            |recorder: &mut Recorder, name| recorder.begin_host_call(name, Some(Bytes::from([1; 20])), 9);
        let end = |recorder: &mut Recorder| recorder.end_host_call(Some(Bytes::from([2])), 5);
        recorder.begin_frame(&create(), Bytes::new);
        recorder.mark("user_entrypoint", Bytes::new(), Bytes::new(), 10);
        // A call of EVM code that creates, then one that finds no frame, then a creation.
        call(&mut recorder, "call_contract");
        recorder.begin_frame(&create(), Bytes::new);
        recorder.begin_frame(&create(), Bytes::new);
        recorder.end_frame(ended());
        recorder.end_frame(ended());
        end(&mut recorder);
        call(&mut recorder, "static_call_contract");
        end(&mut recorder);
        call(&mut recorder, "create1");
        recorder.begin_frame(&create(), Bytes::new);
        recorder.mark("msg_value", Bytes::new(), Bytes::new(), 7);
        recorder.end_frame(ended());
        end(&mut recorder);
        call(&mut recorder, "read_args");
        recorder.drop_host_call();
        recorder.end_frame(ended());
        let json = json(recorder);
        assert_eq!(
            names(&json),
            "user_entrypoint call_contract(evm_create1()) static_call_contract() evm_create1(msg_value) create1"
        );
        let step = &json[1];
        assert_eq!(
            serde_json::to_string(&step["address"]).expect("text"),
            format!("\"0x{}\"", "01".repeat(20))
        );
        assert_eq!(
            (&step["outs"], &step["startInk"], &step["endInk"]),
            (&"0x02".into(), &9.into(), &5.into())
        );
    }
}
