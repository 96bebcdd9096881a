#!/usr/bin/env bash
# codem-isoboxer 0.3.10: it reads the media_time -1 of an edit list of version 1 as -4294967297, and writes empty strings without their
# zero byte. So a file that is read and written, unchanged, loses its delay at the start, or all of its pictures.
#
# Expected: -1 is an empty edit (ISO/IEC 14496-12, 8.6.6.3), in 32 bits and in 64: of the latter the lower half is read as signed, too.
# A name of hdlr ends with a zero byte even if it is empty (8.4.3.3). Without it the moov box shrinks by one byte, and where the
# pictures come behind it (faststart), every chunk offset misses them. With edit lists of version 0 the delay stays.
# Needs ffmpeg with libx264, node and npm. Fails if what is seen changes.
set -euo pipefail
for need in ffmpeg ffprobe node npm; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts codem-isoboxer@0.3.10 >/dev/null
x264=(-v error -f lavfi -i testsrc2=s=160x120:r=10 -t 3 -c:v libx264 -output_ts_offset 1)
ffmpeg "${x264[@]}" version0.mp4 </dev/null
ffmpeg "${x264[@]}" -movie_timescale 1000000000 version1.mp4 </dev/null  # 3 s need more than 31 bits, so version 1
ffmpeg "${x264[@]}" -movflags faststart faststart.mp4 </dev/null
cat > run.cjs <<'J'
const { readFileSync, writeFileSync } = require("node:fs");
const { parseBuffer } = require("codem-isoboxer");
for (const name of ["version0", "version1", "faststart"]) {
  const data = readFileSync(`${name}.mp4`);
  const file = parseBuffer(new Uint8Array(data).buffer);
  const edits = file.fetch("elst");
  const written = Buffer.from(file.write());
  writeFileSync(`${name}-written.mp4`, written);
  console.log(name, edits.version, edits.entries[0].media_time, written.length - data.length);
}
J
echo "codem-isoboxer $(node -p 'require("codem-isoboxer/package.json").version')"
node run.cjs > seen
: > figures
while read -r name version time more; do
    for file in $name $name-written; do
        start=$(ffprobe -v quiet -show_entries stream=start_time -of csv=p=0 $file.mp4)
        frames=$(ffprobe -v quiet -count_frames -show_entries stream=nb_read_frames -of csv=p=0 $file.mp4)
        echo "$file ${start%.*} ${frames//N\/A/0}" >> figures
    done
    echo "$name.mp4, elst of version $version: media_time $time, written with $more byte(s) more; expected -1 and 0"
done < seen
sed 's/^\([^ ]*\) \(.*\) \(.*\)$/\1.mp4: FFmpeg begins at \2 s and decodes \3 frames/' figures
echo "expected: 1 s and 30 frames for all six"
diff - seen <<'S'
version0 0 -1 -1
version1 1 -4294967297 -1
faststart 0 -1 -1
S
diff - figures <<'S'
version0 1 30
version0-written 1 30
version1 1 30
version1-written 0 30
faststart 1 30
faststart-written 1 0
S
