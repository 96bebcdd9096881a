use super::*;
use crate::camera_handle::{Command, Jpeg, channel};
use crate::hub::CameraState;
use crate::media::{Description, Frame, FrameHeader, Parameters};
use bytes::Bytes;

#[tokio::test]
async fn snapshot_prefers_camera_jpeg() {
    let (camera, handle) = channel([]);
    let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
    let first = service.request(JpegOptions::default());
    let second = service.request(JpegOptions::default());
    // It is being opened meanwhile.
    camera.commands.open(true);
    camera.publisher.set_status(CameraState::Live, "");
    let jpeg = Jpeg {
        bytes: Bytes::from_static(b"JPEG"),
        captured_at: Timestamp::from_nanos(1),
    };
    let answer = async {
        loop {
            for command in camera.commands.take() {
                if let Command::Jpeg(requester) = command {
                    requester.send(jpeg.clone()).unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let both = async { (first.await, second.await) };
    let both = tokio::select! { both = both => both, () = answer => unreachable!() };
    let snapshot = Snapshot {
        jpeg: jpeg.bytes.clone(),
        captured_at: jpeg.captured_at,
    };
    assert_eq!(both, (Ok(snapshot.clone()), Ok(snapshot)));
}

#[tokio::test]
async fn late_camera_jpeg_is_a_temporary_error() {
    let (camera, handle) = channel([]);
    camera.publisher.set_status(CameraState::Live, "");
    camera.commands.open(true);
    // A video that no decoder takes is to one with a decoder what any is to one without.
    let parameters = Arc::new(Parameters::new(Description {
        parameter_sets: vec![vec![0x67]],
        ..Description::default()
    }));
    let header = FrameHeader {
        parameters,
        sequence: 1,
        decode_time: 0,
        composition_offset: None,
        duration: 3000,
        nominal_duration: 3000,
        captured_at: Timestamp::from_nanos(0),
        is_keyframe: true,
        is_disposable: false,
        recovery: None,
    };
    let frame = Frame::new(header, std::iter::empty());
    camera.publisher.publish(frame, Timestamp::from_nanos(0));
    let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
    let small = JpegOptions {
        width: Some(16),
        quality: None,
    };
    let (whole, smaller) = (
        service.request(JpegOptions::default()),
        service.request(small),
    );
    let words = "the camera is too busy to give one".to_owned();
    assert_eq!(whole.await, Err(SnapshotError::NoFrame(words)));
    assert!(matches!(smaller.await, Err(SnapshotError::Unsupported(_))));
}

#[tokio::test]
async fn lost_camera_error_has_its_reason() {
    let (camera, handle) = channel([]);
    camera
        .publisher
        .set_status(CameraState::Lost, "it was unplugged");
    camera.commands.open(true);
    let error = SnapshotError::NoFrame("it was unplugged".into());
    assert_eq!(
        SnapshotService::new("camera".into(), handle, Budget::new(64))
            .request(JpegOptions::default())
            .await,
        Err(error)
    );
}
