//! Real H.264 streams that nobody of this project made go through the whole program, and what comes out decodes to
//! the same pictures.

use crate::support::{Server, decode_with, fixture, is_init, is_keyframe};

/// Serves a file, reads it back from a keyframe on, through its repeat, and compares with ffmpeg.
fn comes_back_whole(name: &str) {
    comes_back_with(name, &[], &[]);
}

/// The same with options of ffmpeg for the file, and for what comes back.
fn comes_back_with(name: &str, of_file: &[&str], of_viewer: &[&str]) {
    let path = fixture(name);
    let raw = std::fs::read(&path).unwrap();
    let once = decode_with(of_file, "h264", &raw, &[]).len();
    let expected = decode_with(of_file, "h264", &raw.repeat(4), &[]);
    let server = Server::start(&[
        "--source",
        &format!("file:{}", path.display()),
        "--fps",
        "240",
    ]);
    let mut viewer = server.watch("/video_websocket");
    let mut messages = Vec::new();
    let mut pictures = 0;
    while pictures < 2 * once + 20 {
        let message = viewer.binary();
        pictures += usize::from(!is_init(&message));
        messages.push(message);
    }
    assert!(
        is_init(&messages[0]),
        "the first message is the init segment"
    );
    assert!(is_keyframe(&messages[1]), "the second is a keyframe");
    let got = decode_with(&[], "mp4", &messages.concat(), of_viewer);
    // At its end the decoder has a few pictures less or more than were asked for.
    let got = &got[..got.len().min(2 * once)];
    assert!(
        got.len() > once + once / 2,
        "only {} pictures of {once} in the file",
        got.len()
    );
    let matches = |start: &usize| expected[*start..].iter().zip(got).all(|(a, b)| a == b);
    if !(0..2 * once).any(|start| matches(&start)) {
        let best = (0..2 * once)
            .max_by_key(|&start| {
                expected[start..]
                    .iter()
                    .zip(got)
                    .filter(|(a, b)| a == b)
                    .count()
            })
            .unwrap();
        let wrong: Vec<usize> = (0..got.len().min(expected.len() - best))
            .filter(|&n| expected[best + n] != got[n])
            .collect();
        panic!(
            "{name}: from picture {best} on, {} of {} differ: {wrong:?}",
            wrong.len(),
            got.len()
        );
    }
}

/// 26 columns and 60 rows at each edge are not to be shown. Viewers get those at the left and at the top.
#[test]
fn cropped_pictures_come_with_left_and_top() {
    let part = ["-vf", "crop=300:168:26:60"];
    comes_back_with("CVFC1_Sony_C.jsv", &["-flags", "unaligned"], &part);
}

macro_rules! streams {
    ($($test:ident $file:literal)*) => { $(#[test] fn $test() { comes_back_whole($file); })* };
}

streams! {
    several_slices_per_picture "BA1_FT_C.264"
    lost_idr_pictures "BA_MW_D_IDR_LOST.264"
    a_damaged_stream "Error_I_P.264"
    several_idr_pictures "MIDR_MW_D.264"
    several_parameter_sets "MPS_MW_A.264"
    a_short_stream "SVA_NL1_B.264"
    a_sample_aspect_ratio "SarVui.264"
    a_size_that_is_no_multiple_of_16 "Static.264"
    b_pictures "VID_1280x720_cabac_temporal_direct.264"
    screen_content "Zhling_1280x720.264"
    cabac_slices "test_cif_P_CABAC_slice.264"
    small_cabac "test_qcif_cabac.264"
}
