//! Random request targets, the same for the same seed.

/// What attacks are made of, separated by spaces. What stands here more than once is drawn more often.
const PIECES: &[u8] =
    b"/ / / / / // . .. /../ /../ /.. /./ ... %2e %2e%2e /%2E%2e/ /.%2e/ %2f %2F ..%2f %5c %5C \\ \\ \
    /..\\ ; ;x /..;/ ..;x=y/ %3b %3B # %23 ? %3f %25 %252e %252e%252e %252f %255c %2541 %2500 %250a %2523 %253b %253f \
    %25u002f %25u002e %0a %0d %09 %01 %7f %20 %20 /%20 %20/ /..%20/ /.%20./ + @ & = A A A B B B %41 %42 a x y /A /B \
    /A/ /B/ api users /api /users /api/users/ /api/users/B /API/ %61pi user%73 Users %c3%a9 \xc3\xa9 %e2%82%ac \
    \xe2\x82\xac %ff \xff %c0%af %c0%ae %e0%80%af %c1%9c %c5%bf %c4%b1 %ef%bc%8f host : C: //host /\\host % %u0041";

/// Pieces of paths that may be admitted.
const CALM: &[u8] = b"/ / / A B x y.z %20 %c3%a9 \xc3\xa9 + @ %41 %2e ~ /A /B/ /api/users/B %2ex ..x %2e%2e ... . :";

/// Pieces of names: at the beginning, inside and at the end, where no dot or space may be.
const FIRST: &str = "A b 7 .w ..w ~ _ - @ \u{e9} \u{20ac} \u{1f600}";
const INNER: &str = "x Y 0 . .. %20 - _ ~ @ + , : = & ! $ ' ( ) * \"";
const LAST: &str = "z 9 _ .json \u{fc} \u{4e2d}";

/// SplitMix64, and what it draws from.
pub struct Random {
    state: u64,
    pieces: Vec<&'static [u8]>,
    calm: Vec<&'static [u8]>,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        let split = |pieces: &'static [u8]| pieces.split(|&b| b == b' ').collect();
        Self { state: seed, pieces: split(PIECES), calm: split(CALM) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn piece(&mut self) -> &'static [u8] {
        let at = self.below(self.pieces.len());
        self.pieces[at]
    }

    fn calm_piece(&mut self) -> &'static [u8] {
        let at = self.below(self.calm.len());
        self.calm[at]
    }

    fn word(&mut self, words: &'static str) -> &'static str {
        let words: Vec<&str> = words.split(' ').collect();
        words[self.below(words.len())]
    }

    /// A request target that some backend may misread.
    pub fn attack(&mut self) -> Vec<u8> {
        let mut target = match self.below(8) {
            0 => b"/".to_vec(),
            1 => self.mangled(b"/api/users/B"),
            2 => self.mangled(b"/api/users/A/x/../../B/y"),
            3 => b"/api/users/B".to_vec(),
            4 => b"/api/users/B/".to_vec(),
            5 => b"/api/users/A".to_vec(),
            _ => b"/api/users/A/".to_vec(),
        };
        let is_calm = self.one_in(3);
        for _ in 0..self.below(9) {
            // A path that is calm but for one piece comes closest to being admitted.
            let piece = if is_calm && !self.one_in(12) { self.calm_piece() } else { self.piece() };
            target.extend_from_slice(piece);
        }
        target
    }

    /// A path some of whose bytes are encoded, once or twice, in the other case, doubled or interrupted.
    fn mangled(&mut self, path: &[u8]) -> Vec<u8> {
        let mut target = Vec::with_capacity(2 * path.len());
        for &b in path {
            match self.below(35) {
                0 => target.extend_from_slice(format!("%{b:02x}").as_bytes()),
                1 => target.extend_from_slice(format!("%25{b:02X}").as_bytes()),
                2 => target.push(b.to_ascii_uppercase()),
                3 if b == b'/' => target.push(b'\\'),
                3 => target.extend_from_slice(&[b, b]),
                4 => target.extend_from_slice(&[b, b'/']),
                5 | 6 => target.extend_from_slice(&[&[b], self.piece()].concat()),
                _ => target.push(b),
            }
        }
        if target.first() != Some(&b'/') {
            target.insert(0, b'/');
        }
        target
    }

    /// An ordinary target and the segments that everybody reads in it.
    pub fn ordinary(&mut self) -> (Vec<u8>, Vec<String>) {
        let mut segments = Vec::new();
        if self.one_in(3) {
            segments.extend([self.word("api API Api").to_owned(), self.word("users Users usersx").to_owned()]);
        }
        for _ in 0..self.below(4) {
            segments.push(self.name());
        }
        let mut target = Vec::new();
        for segment in &segments {
            target.push(b'/');
            self.write(segment, &mut target);
        }
        if segments.is_empty() || self.one_in(4) {
            target.push(b'/');
        }
        if self.one_in(4) {
            target.push(b'?');
            for _ in 0..self.below(4) {
                target.extend_from_slice(self.piece());
            }
        }
        (target, segments)
    }

    fn name(&mut self) -> String {
        let mut name = self.word(FIRST).to_owned();
        if self.one_in(2) {
            for _ in 0..self.below(5) {
                name.push_str(&self.word(INNER).replace("%20", " "));
            }
            name.push_str(self.word(LAST));
        }
        name
    }

    /// Writes a segment as a client may: what must be encoded is, and other characters now and then.
    fn write(&mut self, segment: &str, target: &mut Vec<u8>) {
        for c in segment.chars() {
            let mut buffer = [0; 4];
            let text = c.encode_utf8(&mut buffer).as_bytes();
            if c == ' ' || self.one_in(if c.is_ascii() { 16 } else { 2 }) {
                target.extend(text.iter().flat_map(|b| format!("%{b:02X}").into_bytes()));
            } else {
                target.extend_from_slice(text);
            }
        }
    }
}
