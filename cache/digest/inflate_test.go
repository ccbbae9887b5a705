package digest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// section is how archive/zip hands a packed file over.
func section(packed []byte) io.Reader {
	return io.NewSectionReader(bytes.NewReader(packed), 0, int64(len(packed)))
}

func deflated(t testing.TB, level int, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, text)
	w.Close()
	return buf.Bytes()
}

// noise is text that cannot be packed.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func TestAFileThatEndsBeforeItBeginsIsNotEmpty(t *testing.T) {
	r := unpack(io.NewSectionReader(strings.NewReader(""), 0, 9), 9)
	defer r.Close()
	if b, err := io.ReadAll(r); err == nil {
		t.Errorf("\n got %q\nwant an error", b)
	}
}

func TestTheNextFileIsAnother(t *testing.T) {
	for range 20 {
		bad := unpack(section([]byte("\xff\xff\xff")), 9)
		io.ReadAll(bad)
		bad.Close()
		cut := unpack(io.NewSectionReader(strings.NewReader("abc"), 0, 9), 9)
		io.ReadAll(cut)
		cut.Close()
		good := unpack(section(deflated(t, 9, "package a")), 9)
		if b, err := io.ReadAll(good); string(b) != "package a" || err != nil {
			t.Fatalf("\n got %q, %v\nwant %q", b, err, "package a")
		}
		good.Close()
	}
}

func TestLargeFilesAreVerified(t *testing.T) {
	body := module(t, zip.Deflate, "m@v1/a", noise(maxPacked+9), "m@v1/b", strings.Repeat("b", 2*maxPlain), "m@v1/c", noise(9))
	want, err := h1(t, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Check(bytes.NewReader(body), int64(len(body))); err != nil {
		t.Error(err)
	}
	body[maxPacked/2]++
	if err := want.Check(bytes.NewReader(body), int64(len(body))); err == nil {
		t.Error("a flipped bit was not noticed")
	}
}

// judge holds the unpacker, a used one, against compress/flate. The client unpacks with that: what one of the two takes and
// the other does not, or takes for something else, would be kept for clients who cannot use it.
func judge(t *testing.T, u *unpacker, packed []byte) {
	t.Helper()
	theirs, want := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxPlain+1))
	if len(theirs) > maxPlain {
		want = errZipTooLarge
	}
	ours, ok := u.inflate(packed, maxPlain)
	if ok != (want == nil) || ok && !bytes.Equal(theirs, ours) {
		t.Errorf("%x\n got %d bytes, %v\nwant %d bytes, %v", packed, len(ours), ok, len(theirs), want)
	}
}

// lengths are those of n codes: which symbol has which, by turns.
func lengths(n int, which ...int) []int {
	all := make([]int, n)
	for i := 0; i < len(which); i += 2 {
		all[which[i]] = which[i+1]
	}
	return all
}

// dynamic is a last block that says its codes (RFC 1951, section 3.2.7), with the bits that they pack.
func dynamic(literals, distances []int, packed string) string {
	bits := "101"
	number := func(v, n int) { // the lowest bit first
		for i := range n {
			bits += strconv.Itoa(v >> i & 1)
		}
	}
	number(len(literals)-257, 5)
	number(len(distances)-1, 5)
	number(len(lengthOrder)-4, 4)
	for _, symbol := range lengthOrder {
		number(4*min(1, max(0, 16-int(symbol))), 3) // the lengths themselves take four bits each, and nothing is repeated
	}
	for _, length := range append(literals, distances...) {
		bits += fmt.Sprintf("%04b", length)
	}
	bits += packed
	out := make([]byte, len(bits)/8+2)
	for i, bit := range bits {
		out[i/8] |= byte(bit-'0') << (i % 8)
	}
	return string(out)
}

func TestTheUnpackerTakesWhatFlateTakes(t *testing.T) {
	for _, c := range []struct{ name, packed string }{
		{"nothing", ""},
		{"a block of the fourth kind", "\x07"},
		{"a stored block whose length is not the other one inverted", "\x01\x01\x00\xfe\xfe!"},
		{"a stored block that ends too early", "\x01\x02\x00\xfd\xff!"},
		{"a stored block of nothing, and the end", "\x00\x00\x00\xff\xff\x03\x00"},
		{"a match from before the beginning", "\x63\x02\x02\x00"},
		{"an end in the middle of a match, which klauspost/compress takes for the end", "2A0"},
		{"what is behind the end", "\x03\x00behind"},
		{"a code for 287 symbols", dynamic(lengths(287, 256, 1, 286, 1), lengths(1), "0")},
		{"a code for 31 distances", dynamic(lengths(257, 97, 1, 256, 1), lengths(31), "01")},
		{"a code that is not used up", dynamic(lengths(257, 97, 2, 256, 1), lengths(1), "100")},
		{"a code that is used twice", dynamic(lengths(257, 96, 1, 97, 1, 256, 1), lengths(1), "01")},
		{"no distances where none is needed", dynamic(lengths(258, 97, 1, 256, 2, 257, 2), lengths(1), "010")},
		{"no distances, and a match", dynamic(lengths(258, 97, 1, 256, 2, 257, 2), lengths(1), "0110000010")},
		{"one distance", dynamic(lengths(258, 97, 1, 256, 2, 257, 2), lengths(1, 0, 1), "011010")},
		{"one distance, and another", dynamic(lengths(258, 97, 1, 256, 2, 257, 2), lengths(1, 0, 1), "011110")},
	} {
		t.Run(c.name, func(t *testing.T) {
			judge(t, new(unpacker), []byte(c.packed))
			used := new(unpacker) // what is left of its codes must mean nothing
			used.inflate(deflated(t, flate.BestCompression, "aaaaaaaaaaaaaaaaaaaa"), maxPlain)
			judge(t, used, []byte(c.packed))
		})
	}
}

func TestTheUnpackerStaysWithinItsBound(t *testing.T) {
	aaaa := []byte(dynamic(lengths(257, 97, 1, 256, 1), lengths(1), "00001"))
	if got, ok := new(unpacker).inflate(aaaa, 3); ok {
		t.Errorf("a literal too many\n got %q\nwant refused", got)
	}
	for _, text := range []string{noise(1000), strings.Repeat("abcdefg", 1000), strings.Repeat("x", 1000)} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestCompression} {
			packed := deflated(t, level, text)
			if got, ok := new(unpacker).inflate(packed, len(text)); !ok || string(got) != text {
				t.Errorf("%d bytes, level %d, may be so many\n got %q, %v\nwant them", len(text), level, got, ok)
			}
			for _, less := range []int{0, 1, len(text) - 1} {
				if got, ok := new(unpacker).inflate(packed, less); ok {
					t.Errorf("%d bytes, level %d, may be %d\n got %d\nwant refused", len(text), level, less, len(got))
				}
			}
		}
	}
}

// Bits flipped at random reach every rule about codes; that the seed is fixed lets a failure be seen again.
func TestTheUnpackerRefusesWhatFlateRefuses(t *testing.T) {
	rules, err := os.ReadFile("verifier.go")
	if err != nil {
		t.Fatal(err)
	}
	var good [][]byte
	for _, text := range []string{"", "package a", strings.Repeat("abc", 300), string(rules), noise(300), strings.Repeat("x", 4000)} {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			good = append(good, deflated(t, level, text))
		}
	}
	dice := rand.New(rand.NewPCG(1, 2))
	u := new(unpacker)
	for range 500 {
		packed := bytes.Clone(good[dice.IntN(len(good))])
		for range dice.IntN(4) {
			packed[dice.IntN(min(len(packed), 1<<(1+dice.IntN(10))))] ^= 1 << dice.IntN(8)
		}
		if dice.IntN(4) == 0 {
			packed = packed[:dice.IntN(len(packed))]
		}
		judge(t, u, packed)
	}
}

func FuzzInflate(f *testing.F) {
	for _, text := range []string{"", "package a", strings.Repeat("ab", 4000), noise(700)} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
			f.Add(deflated(f, level, text))
		}
	}
	f.Add([]byte("2A0"))
	f.Add(deflated(f, flate.BestCompression, strings.Repeat("large", 1<<20)))
	u := new(unpacker)
	f.Fuzz(func(t *testing.T, packed []byte) { judge(t, u, packed) })
}

func BenchmarkInflate(b *testing.B) {
	text, err := os.ReadFile("verifier_test.go")
	if err != nil {
		b.Fatal(err)
	}
	packed := deflated(b, flate.DefaultCompression, string(text))
	b.Run("unpacker", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		u := new(unpacker)
		for b.Loop() {
			if _, ok := u.inflate(packed, len(text)); !ok {
				b.Fatal("refused")
			}
		}
	})
	b.Run("compress/flate", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		r := flate.NewReader(nil)
		for b.Loop() {
			_ = r.(flate.Resetter).Reset(bytes.NewReader(packed), nil)
			io.Copy(io.Discard, r)
		}
	})
}
