//! Requests read in one pass.
//!
//! A request is usually an object with the members of JSON-RPC and an array of a few parameters. Such a request, and a batch
//! of nothing else, is read here in one pass over its text. Whatever is anything else or is wrong, `envelope` reads member by
//! member; it knows what to say of it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::envelope::{BATCH_MAX, Request};

/// Parameters that a request read here has at most. No method takes more.
pub(super) const PARAMS_MAX: usize = 8;

/// The parameters of a request.
#[derive(Debug)]
pub(super) enum Given<'a> {
    /// What the client wrote.
    Text(&'a RawValue),
    /// An array of these; `null` is one of none.
    Values(Vec<&'a RawValue>),
}

/// Reads a request; `None` if it is not a usual one.
pub(super) fn request(text: &str) -> Option<Request<'_>> {
    serde_json::from_str(text).ok().map(|Quick(request)| request)
}

/// Reads a batch; `None` if it is empty, too long, or has anything but usual requests.
pub(super) fn batch(text: &str) -> Option<Vec<Request<'_>>> {
    struct Batch;
    impl<'de> Visitor<'de> for Batch {
        type Value = Vec<Request<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut requests = Vec::new();
            while let Some(Quick(request)) = seq.next_element()? {
                if requests.len() == BATCH_MAX {
                    return Err(A::Error::custom("too long"));
                }
                requests.push(request);
            }
            Ok(requests)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let requests = deserializer.deserialize_seq(Batch).ok()?;
    deserializer.end().ok()?;
    Some(requests).filter(|requests| !requests.is_empty())
}

struct Quick<'a>(Request<'a>);

impl<'de> Deserialize<'de> for Quick<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Quick<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut request = Request::default();
                while let Some(name) = map.next_key::<&str>()? {
                    let is_first = match name {
                        "jsonrpc" => request.jsonrpc.replace(map.next_value()?).is_none(),
                        "id" => request.id.replace(map.next_value()?).is_none(),
                        "method" => request.method.replace(map.next_value()?).is_none(),
                        "params" => request.params.replace(map.next_value_seed(Values)?).is_none(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            true
                        }
                    };
                    if !is_first {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                }
                Ok(Quick(request))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

struct Values;

impl<'de> DeserializeSeed<'de> for Values {
    type Value = Given<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values {
    type Value = Given<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or null")
    }
    fn visit_unit<E>(self) -> Result<Given<'de>, E> {
        Ok(Given::Values(Vec::new()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            if values.len() == PARAMS_MAX {
                return Err(A::Error::custom("too many"));
            }
            values.push(value);
        }
        Ok(Given::Values(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the members of a request as they were written.
    fn members<'a>(request: &Request<'a>) -> [Option<&'a str>; 3] {
        [request.jsonrpc, request.id, request.method].map(|member| member.map(RawValue::get))
    }

    #[test]
    fn usual_requests_are_read_as_they_were_written() {
        let text =
            r#"{"jsonrpc":"2.0", "id": 1.50, "method":"m", "params" : [ {"a":[1]},  "b", null ], "more":{}}"#;
        let read = request(text).expect("usual");
        assert_eq!(members(&read), [Some("\"2.0\""), Some("1.50"), Some("\"m\"")]);
        let Some(Given::Values(values)) = read.params else { panic!("an array") };
        let values: Vec<&str> = values.into_iter().map(RawValue::get).collect();
        assert_eq!(values, [r#"{"a":[1]}"#, "\"b\"", "null"]);
        assert_eq!(members(&request(r#"{"id":null}"#).expect("usual")), [None, Some("null"), None]);
        assert!(
            matches!(request(r#"{"params":null}"#).expect("usual").params, Some(Given::Values(v)) if v.is_empty())
        );
        let ids = batch(r#" [{"id":1},{"id":"2"} , {}] "#).expect("usual");
        let ids: Vec<_> = ids.iter().map(|read| read.id.map(RawValue::get)).collect();
        assert_eq!(ids, [Some("1"), Some("\"2\""), None]);
    }

    #[test]
    fn what_is_not_usual_is_left_to_others() {
        for text in [
            "",
            "[]",
            "7",
            r#"["2.0",1,"m",[]]"#,
            r#"{"id":1,"id":1}"#,
            r#"{"params":{}}"#,
            r#"{"params":"x"}"#,
            r#"{"params":[0,1,2,3,4,5,6,7,8]}"#,
            r#"{"m\u0065thod":"m"}"#,
            r#"{"id":1} 2"#,
            r#"{"id":1"#,
            r#"{"id":01}"#,
        ] {
            assert!(request(text).is_none(), "{text}");
            assert!(batch(&format!("[{{}},{text}]")).is_none(), "{text}");
        }
        assert!(batch("[]").is_none() && batch("[{}] 1").is_none() && batch("[{},]").is_none());
        let of = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert!(batch(&of(BATCH_MAX)).is_some() && batch(&of(BATCH_MAX + 1)).is_none());
    }
}
