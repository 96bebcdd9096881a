//! Search for the H.264 extension unit in USB descriptors (USB Video Class 1.1, 3.7.2.6).

/// {A29E7641-DE04-47E3-8B2B-F4341AFF003B} in the order of the wire.
const GUID: [u8; 16] = [
    0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b,
];

/// `bDescriptorType`: INTERFACE and CS_INTERFACE.
const INTERFACE: u8 = 0x04;
const CLASS_INTERFACE: u8 = 0x24;
/// `bDescriptorSubtype`: VC_EXTENSION_UNIT.
const EXTENSION_UNIT: u8 = 0x06;
/// `bInterfaceClass` and `bInterfaceSubClass`: video, control.
const VIDEO_CONTROL: [u8; 2] = [0x0e, 0x01];

/// Returns the id of the unit of video control interface `interface`. `descriptors` are those of
/// the kernel: of the device and its configurations, in sequence.
pub fn h264_unit(descriptors: &[u8], interface: u8) -> Option<u8> {
    let mut rest = descriptors;
    let mut is_ours = false;
    while let [length, kind, ..] = *rest {
        let (descriptor, next) = rest.split_at_checked(usize::from(length))?;
        if length < 2 {
            return None;
        }
        match kind {
            INTERFACE => {
                is_ours = descriptor.get(2) == Some(&interface)
                    && descriptor.get(5..7) == Some(&VIDEO_CONTROL);
            }
            CLASS_INTERFACE if is_ours => {
                let is_unit = descriptor.get(2) == Some(&EXTENSION_UNIT);
                if is_unit && descriptor.get(4..20) == Some(&GUID) {
                    return descriptor.get(3).copied();
                }
            }
            _ => {}
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(number: u8, subclass: u8) -> Vec<u8> {
        vec![9, INTERFACE, number, 0, 1, 0x0e, subclass, 0, 0]
    }

    fn unit(id: u8, guid: [u8; 16]) -> Vec<u8> {
        let tail = [15, 1, 2, 2, 0xff, 0x7f, 0];
        [&[27, CLASS_INTERFACE, EXTENSION_UNIT, id][..], &guid, &tail].concat()
    }

    fn device(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut all = vec![18, 1];
        all.resize(18, 0);
        all.extend(parts.concat());
        all
    }

    #[test]
    fn extension_unit_is_found_by_its_guid() {
        let all = device(&[
            interface(0, 1),
            unit(3, [7; 16]),
            unit(12, GUID),
            interface(1, 2),
            interface(2, 1),
            unit(5, GUID),
        ]);
        assert_eq!(h264_unit(&all, 0), Some(12));
        assert_eq!(h264_unit(&all, 2), Some(5));
        assert_eq!(h264_unit(&all, 1), None);
    }

    #[test]
    fn damaged_descriptors_end_the_search() {
        let all = device(&[interface(0, 1), unit(12, GUID)]);
        for end in 0..all.len() {
            assert_eq!(h264_unit(&all[..end], 0), None, "{end}");
        }
        assert_eq!(h264_unit(&[0, 0, 0], 0), None);
        assert_eq!(h264_unit(&[1, 4, 1, 4], 0), None);
    }
}
