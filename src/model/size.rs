/// Bytes in powers of 1,024, as people read them: `512 B`, `1.2 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths in whole numbers: no rounding up to a unit that is not reached.
    let power = bytes.ilog2() / 10;
    let tenths = u128::from(bytes) * 10 / (1_u128 << (10 * power));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_as_people_say_them() {
        let sizes = [
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (number, text) in sizes {
            assert_eq!(size(number), text);
        }
    }
}
