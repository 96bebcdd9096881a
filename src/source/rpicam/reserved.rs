//! Options of rpicam-vid that BerryMSE sets itself, or that would end the stream.

/// Names, and what to do instead.
const RESERVED: &[(&str, &str)] = &[
    ("width", "write camera.width (--width)"),
    ("height", "write camera.height (--height)"),
    ("framerate", "write camera.fps (--fps)"),
    ("bitrate", "write camera.bitrate (--bitrate)"),
    (
        "intra",
        "write camera.keyframeInterval (--keyframe-interval)",
    ),
    ("rotation", "write camera.rotation (--rotation)"),
    ("hflip", "write camera.hflip (--hflip)"),
    ("vflip", "write camera.vflip (--vflip)"),
    ("camera", "write the number into the source, as in rpicam:1"),
    ("codec", "BerryMSE takes H.264 alone"),
    (
        "libav-video-codec",
        "BerryMSE takes H.264 alone, and the program picks its encoder for the machine",
    ),
    ("libav-format", "BerryMSE takes H.264 without a container"),
    (
        "low-latency",
        "BerryMSE sets it where x264 encodes; x264-preset and x264-slices change what it does",
    ),
    ("level", "BerryMSE sets it by size and rate"),
    (
        "inline",
        "BerryMSE always sets it: viewers need the parameter sets",
    ),
    ("flush", "BerryMSE always sets it"),
    ("save-pts", "BerryMSE reads the times of frames there"),
    ("output", "BerryMSE reads the output"),
    ("timeout", "the camera runs until BerryMSE ends"),
    ("frames", "the camera runs until BerryMSE ends"),
    ("segment", "BerryMSE reads one endless stream"),
    ("split", "BerryMSE reads one endless stream"),
    ("circular", "BerryMSE reads one endless stream"),
    ("wrap", "BerryMSE reads one endless stream"),
    ("initial", "BerryMSE reads one endless stream"),
    ("pause", "BerryMSE reads one endless stream"),
    ("keypress", "nobody can press a key there"),
    ("signal", "BerryMSE reads one endless stream"),
    ("listen", "write server.listen (--listen)"),
    ("libav-audio", "BerryMSE shows no sound"),
    ("audio-codec", "BerryMSE shows no sound"),
    ("audio-source", "BerryMSE shows no sound"),
    ("audio-device", "BerryMSE shows no sound"),
    ("audio-channels", "BerryMSE shows no sound"),
    ("audio-bitrate", "BerryMSE shows no sound"),
    ("audio-samplerate", "BerryMSE shows no sound"),
    ("nopreview", "BerryMSE always sets it"),
    ("preview", "there is no window"),
    ("fullscreen", "there is no window"),
    ("qt-preview", "there is no window"),
    ("info-text", "there is no window, and it would fill the log"),
    (
        "verbose",
        "BerryMSE needs the lines that say why a camera fails",
    ),
    ("config", "write its lines below camera.rpicam instead"),
    ("list-cameras", "\"berrymse cameras\" lists them"),
    ("help", "rpicam-vid --help prints it"),
    ("version", "rpicam-vid --version prints it"),
];

/// Returns why an option cannot be passed on, `None` if it can. rpicam-vid takes the beginning of a name for the whole.
pub(super) fn reason(name: &str) -> Option<String> {
    let mut all = RESERVED.iter();
    let is_meant = |reserved: &str| !name.is_empty() && reserved.starts_with(name);
    let (reserved, instead) = all
        .clone()
        .find(|(reserved, _)| *reserved == name)
        .or_else(|| all.find(|(reserved, _)| is_meant(reserved)))?;
    Some(format!("--{reserved} is not passed on: {instead}"))
}
