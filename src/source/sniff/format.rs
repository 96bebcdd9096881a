//! Formats that are not H.264: their names in messages, and the commands that convert them.

use std::fmt;

/// A stream or file that is not H.264 in Annex B.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Format {
    H265,
    H266,
    Av1,
    Mpeg2Video,
    Mpeg4Video,
    Mjpeg,
    /// JPEGs as parts of an HTTP answer.
    Multipart,
    Png,
    Gif,
    /// Uncompressed video with headers.
    Y4m,
    MpegTs,
    MpegPs,
    Flv,
    Matroska,
    Mp4,
    Avi,
    Asf,
    Ogg,
    /// With the codec in it.
    Ivf(&'static str),
    /// H.264 with lengths instead of start codes.
    LengthPrefixed,
    Rtp,
    RtpDump,
    Pcap,
    Sound,
    /// With the name of the compression.
    Compressed(&'static str),
    Html,
    /// Head of an HTTP or RTSP answer; its first line.
    Answer(String),
    /// Its first line.
    Text(String),
    /// Megabytes without a NAL unit.
    NoStartCode,
}

/// Remedy for a format that is not H.264.
enum Remedy {
    /// H.264 may be in it.
    Extract,
    /// It has to be encoded.
    Encode,
    /// Something else.
    Words(&'static str),
}

impl Format {
    /// Returns the name of the format, as in "it is MPEG-TS".
    pub const fn name(&self) -> &'static str {
        match self {
            Self::H265 => "H.265 (HEVC)",
            Self::H266 => "H.266 (VVC)",
            Self::Av1 => "AV1",
            Self::Mpeg2Video => "MPEG-1 or MPEG-2 video",
            Self::Mpeg4Video => "MPEG-4 Part 2 video",
            Self::Mjpeg => "MJPEG (JPEG pictures)",
            Self::Multipart => "MJPEG over HTTP (multipart/x-mixed-replace)",
            Self::Png => "PNG pictures",
            Self::Gif => "GIF",
            Self::Y4m => "raw video (YUV4MPEG2)",
            Self::MpegTs => "MPEG-TS",
            Self::MpegPs => "MPEG-PS",
            Self::Flv => "FLV",
            Self::Matroska => "Matroska (WebM)",
            Self::Mp4 => "MP4",
            Self::Avi => "AVI",
            Self::Asf => "ASF (WMV)",
            Self::Ogg => "Ogg",
            Self::Ivf(_) => "IVF",
            Self::LengthPrefixed => "H.264 with length prefixes (AVCC)",
            Self::Rtp => "RTP packets",
            Self::RtpDump => "an RTP dump (rtpdump)",
            Self::Pcap => "a packet capture (pcap)",
            Self::Sound => "sound (WAV)",
            Self::Compressed(_) => "compressed data",
            Self::Html => "an HTML page",
            Self::Answer(_) => "the head of an HTTP answer",
            Self::Text(_) => "text",
            Self::NoStartCode => "data without start codes, such as raw video",
        }
    }
}

impl fmt::Display for Format {
    /// Writes the name of the format and what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ivf(inside) | Self::Compressed(inside) => write!(f, "{} ({inside})", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl Format {
    fn remedy(&self) -> Remedy {
        match self {
            Self::MpegTs
            | Self::MpegPs
            | Self::Flv
            | Self::Matroska
            | Self::Mp4
            | Self::Avi
            | Self::LengthPrefixed
            | Self::Ivf("H.264") => Remedy::Extract,
            Self::H265
            | Self::H266
            | Self::Av1
            | Self::Mpeg2Video
            | Self::Mpeg4Video
            | Self::Mjpeg
            | Self::Png
            | Self::Gif
            | Self::Y4m
            | Self::Asf
            | Self::Ogg
            | Self::Ivf(_) => Remedy::Encode,
            Self::NoStartCode => Remedy::Words(
                "let its writer encode it: ffmpeg … -c:v libx264 -tune zerolatency -f h264 -, or rpicam-vid --codec h264",
            ),
            Self::Multipart => Remedy::Words(
                "encode it: ffmpeg -f mpjpeg -i http://… -c:v libx264 -tune zerolatency -f h264 -",
            ),
            Self::Rtp | Self::RtpDump | Self::Pcap => Remedy::Words(
                "describe the stream in an SDP file and unpack it: \
                 ffmpeg -protocol_whitelist file,udp,rtp -i stream.sdp -c copy -f h264 -",
            ),
            Self::Sound => Remedy::Words("only video can be shown"),
            Self::Compressed(_) => Remedy::Words("decompress it first"),
            Self::Html | Self::Answer(_) => Remedy::Words(
                "the address may be that of a page, be wrong, or want a login; try it with curl -v",
            ),
            Self::Text(_) => Remedy::Words(
                "messages belong on standard error; the video goes to standard output",
            ),
        }
    }

    /// Returns what to do where a program's output is of this format.
    pub(crate) fn remedy_for_output(&self) -> &'static str {
        match self.remedy() {
            Remedy::Extract if *self == Self::MpegTs => {
                "write H.264 alone: ffmpeg … -c copy -f h264 -, or rpicam-vid --codec h264 --libav-format h264"
            }
            Remedy::Extract => {
                "write H.264 alone: ffmpeg … -c copy -bsf:v h264_mp4toannexb -f h264 -, \
                 or rpicam-vid --codec h264 --libav-format h264"
            }
            Remedy::Encode => {
                "set the camera to H.264 (rpicam-vid --codec h264), or encode: \
                 ffmpeg … -c:v libx264 -preset ultrafast -tune zerolatency -f h264 -"
            }
            Remedy::Words(words) => words,
        }
    }

    /// Returns what to do with a file of this format at `path`.
    pub(crate) fn remedy_for_file(&self, path: &str) -> String {
        match self.remedy() {
            Remedy::Extract => format!(
                "\"ffmpeg -i {path} -c copy -bsf:v h264_mp4toannexb -f h264 {path}.h264\" takes the H.264 out of it"
            ),
            Remedy::Encode => {
                format!(
                    "\"ffmpeg -i {path} -c:v libx264 -bf 0 -f h264 {path}.h264\" makes H.264 of it"
                )
            }
            Remedy::Words(words) => words.to_owned(),
        }
    }

    /// Returns the first line of a text, in quotation marks, after a space; nothing for other formats.
    pub fn quotation(&self) -> String {
        match self {
            Self::Text(line) | Self::Answer(line) if !line.is_empty() => format!(" ({line:?})"),
            _ => String::new(),
        }
    }
}
