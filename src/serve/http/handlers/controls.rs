//! `/api/cameras/NAME/controls`: lists and sets a camera's controls, as JSON.

use crate::access::Right;
use crate::controls::{
    Control, ControlError, ControlType, ControlValue, ControlsSnapshot, ErrorKind,
};
use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::request_body::{HttpError, body};
use crate::serve::http::response::ResponseBody;
use crate::serve::http::response::response;
use crate::serve::http::response::text_response;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Timeout for the camera's thread, which processes requests ten times a second; a driver may take
/// a second with one control.
const CAMERA_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns the controls of `camera`. `HEAD` does not ask the camera.
pub(crate) async fn show(request: &Admitted, camera: &Camera) -> Response<ResponseBody> {
    let view = if request.method() == Method::HEAD {
        camera.handle.controls()
    } else {
        refreshed_view(camera).await
    };
    controls_response(request.identity().may(Right::Operator), camera, &view)
}

/// Sets controls of `camera`, and returns them all.
pub(crate) async fn set(request: Admitted, camera: &Camera) -> Response<ResponseBody> {
    set_controls(request, camera)
        .await
        .unwrap_or_else(|(status, words)| text_response(status, format!("{words}\n")))
}

async fn refreshed_view(camera: &Camera) -> ControlsSnapshot {
    match tokio::time::timeout(CAMERA_TIMEOUT, camera.handle.refresh_controls()).await {
        Ok(view) => view,
        Err(_) => camera.handle.controls(),
    }
}

async fn set_controls(
    request: Admitted,
    camera: &Camera,
) -> Result<Response<ResponseBody>, HttpError> {
    let body = body(request).await?;
    let wishes = parse_values(&body).map_err(|refusal| match refusal.kind {
        ErrorKind::WrongType => (StatusCode::UNPROCESSABLE_ENTITY, refusal.message),
        _ => (StatusCode::BAD_REQUEST, refusal.message),
    })?;
    match tokio::time::timeout(CAMERA_TIMEOUT, camera.handle.set_controls(wishes)).await {
        Ok(Ok(view)) => Ok(controls_response(true, camera, &view)),
        Ok(Err(refusal)) => Err((status(refusal.kind), refusal.message)),
        Err(_) => {
            let words =
                "The camera did not answer in time; whether the controls were set is not known.";
            Err((StatusCode::GATEWAY_TIMEOUT, words.into()))
        }
    }
}

fn status(why: ErrorKind) -> StatusCode {
    match why {
        ErrorKind::Unknown | ErrorKind::WrongType | ErrorKind::OutOfRange | ErrorKind::ReadOnly => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorKind::Refused => StatusCode::CONFLICT,
        ErrorKind::Closed | ErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Parses the values in a request's body, an object of names and values. The camera validates them
/// later.
pub fn parse_values(body: &[u8]) -> Result<Vec<(String, ControlValue)>, ControlError> {
    const EXAMPLE: &str =
        r#"what is expected is an object of names and values, such as {"brightness": 130}"#;
    let refuse = |words| Err(ControlError::new(ErrorKind::Refused, words));
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return refuse(format!("this is not JSON ({error}); {EXAMPLE}")),
    };
    let Value::Object(entries) = value else {
        return refuse(EXAMPLE.to_owned());
    };
    let read = |(name, value): (String, Value)| match parse_value(&value) {
        Some(wish) => Ok((name, wish)),
        None => {
            let shown: String = name.chars().take(64).collect();
            let words = format!(
                "{shown} cannot be set to that: a value is a whole number, true, false or the words of a menu's item"
            );
            Err(ControlError::new(ErrorKind::WrongType, words))
        }
    };
    entries.into_iter().map(read).collect()
}

fn parse_value(value: &Value) -> Option<ControlValue> {
    match value {
        Value::Bool(on) => Some(ControlValue::Bool(*on)),
        Value::String(text) => Some(ControlValue::Text(text.clone())),
        // 130.0 is a whole number, too; those that a double holds exactly.
        Value::Number(number) => number
            .as_i64()
            .or_else(|| {
                let number = number.as_f64()?;
                (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0)
                    .then_some(number as i64)
            })
            .map(ControlValue::Integer),
        _ => None,
    }
}

fn controls_response(
    is_allowed: bool,
    camera: &Camera,
    view: &ControlsSnapshot,
) -> Response<ResponseBody> {
    let controls: Vec<Value> = view.controls.iter().map(control_json).collect();
    let document = json!({
        "camera": &*camera.name,
        "allowed": is_allowed,
        "open": view.is_open,
        "controls": controls,
        "refused": *view.rejected,
    });
    response("application/json", format!("{document:#}\n"))
}

fn control_json(control: &Control) -> Value {
    let mut out = json!({
        "name": control.name,
        "label": control.label,
        "type": control.control_type.as_str(),
        "flags": control.flags.names(),
    });
    let plain = |value: i64| match control.control_type {
        ControlType::Boolean => json!(value != 0),
        _ => json!(value),
    };
    if control.control_type == ControlType::Button {
        return out;
    }
    out["default"] = plain(control.default);
    out["value"] = control.value.map_or(Value::Null, plain);
    if control.control_type != ControlType::Boolean {
        out["min"] = json!(control.minimum);
        out["max"] = json!(control.maximum);
        out["step"] = json!(control.step);
    }
    if control.control_type == ControlType::Menu {
        let items = control.items.iter();
        out["menu"] = items
            .map(|item| json!({ "value": item.value, "label": item.label }))
            .collect();
    }
    out
}
