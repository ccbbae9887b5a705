package spool

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"hither/cache"
	"hither/cache/digest"
)

// page is a writer in memory.
type page struct {
	mu   sync.Mutex
	text []byte
	shut bool
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, b...)
	return len(b), nil
}

func (p *page) ReadAt(b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return 0, errors.New("read after Close")
	}
	n := copy(b, p.text[min(off, int64(len(p.text))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p *page) Commit() error         { return nil }
func (p *page) Digest() digest.Digest { return "" }
func (p *page) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	return nil
}

// letters makes a body in which each letter stands for one hold-back of bytes, so that a test reads like a word.
func letters(s string) []byte {
	b := make([]byte, 0, len(s)*holdBack)
	for _, c := range s {
		for range holdBack {
			b = append(b, byte(c))
		}
	}
	return b
}

// readLetters reads n letters, or as many as come before an error.
func readLetters(r io.Reader, n int) (string, error) {
	word := ""
	buf := make([]byte, holdBack)
	for range n {
		if _, err := io.ReadFull(r, buf); err != nil {
			return word, err
		}
		word += string(buf[:1])
	}
	return word, nil
}

func onDisk(w cache.Writer) *Overflow { return &Overflow{Writer: w, Room: new(Room)} }

func newSpool(w cache.Writer, size int64, holdAll bool) *Spool {
	return New(onDisk(w), size, holdAll, time.Time{})
}

func TestSpoolGenerations(t *testing.T) {
	for _, c := range []struct {
		name   string
		first  string // written, then read (all but the held back letter), then the source fails
		second string // what the next source sends, whole; empty: there is none
		third  string
		want   string // what the reader gets after what it got from the first
		err    error
	}{
		{"the same again", "abc", "abcd", "", "cd", io.EOF},
		{"another tail", "abx", "abcd", "", "cd", io.EOF},
		{"another beginning", "xbc", "abcd", "", "", ErrDiverged},
		{"shorter than what was given", "abc", "a", "", "", ErrDiverged},
		{"the second is wrong too, the third right", "abc", "xbcd", "abcd", "", ErrDiverged},
		{"the second breaks off early, the third is right", "abc", "a", "abcd", "cd", io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSpool(&page{}, -1, false)
			r := s.Reader(t.Context())
			write(t, s, c.first)
			got, err := readLetters(r, len(c.first)-1)
			if err != nil {
				t.Fatal(err)
			}
			for _, next := range []string{c.second, c.third} {
				if next != "" {
					s.Restart(onDisk(&page{}))
					write(t, s, next)
				}
			}
			s.Finish(nil)
			s.Release()
			rest, err := readLetters(r, 10)
			if rest != c.want || !errors.Is(err, c.err) {
				t.Errorf("after %q\ngot  %q, %v\nwant %q, %v", got, rest, err, c.want, c.err)
			}
			r.Close()
			if !s.sweptForTest() {
				t.Error("the writers are still open")
			}
		})
	}
}

func write(t *testing.T, s *Spool, word string) {
	t.Helper()
	if _, err := s.Write(letters(word)); err != nil {
		t.Fatal(err)
	}
}

func (s *Spool) sweptForTest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w == nil
}

func TestSpoolCloseEndsAWait(t *testing.T) {
	s := newSpool(&page{}, -1, true)
	r := s.Reader(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 1))
		done <- err
	}()
	r.Close()
	if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
	}
}

func TestSpoolManyReadersAndRestarts(t *testing.T) {
	s := newSpool(&page{}, -1, false)
	want := "abcdefgh"
	var wg sync.WaitGroup
	for range 16 {
		r := s.Reader(t.Context())
		wg.Go(func() {
			defer r.Close()
			got, err := readLetters(r, len(want))
			if err == nil && got != want || err != nil && !errors.Is(err, ErrDiverged) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	write(t, s, "abcx")
	s.Restart(onDisk(&page{}))
	write(t, s, "abcde")
	s.Restart(onDisk(&page{}))
	write(t, s, want)
	s.Finish(nil)
	s.Release()
	wg.Wait()
}

func TestSpoolWhatIsReadAgainDoesNotExcuseTheRest(t *testing.T) {
	s := newSpool(&page{}, -1, false)
	r := s.Reader(t.Context())
	defer r.Close()
	write(t, s, "axxx")
	if got, err := readLetters(r, 3); got != "axx" || err != nil {
		t.Fatal(got, err)
	}
	s.Restart(onDisk(&page{}))
	write(t, s, "a")
	r.Seek(0, io.SeekStart)
	if got, err := readLetters(r, 1); got != "a" || err != nil {
		t.Fatal(got, err)
	}
	write(t, s, "bcd")
	s.Finish(nil)
	if got, err := readLetters(r, 3); !errors.Is(err, ErrDiverged) {
		t.Errorf("\ngot  %q, %v\nwant %v", got, err, ErrDiverged)
	}
}

func TestSpoolWhoWasToldASizeGetsNoOther(t *testing.T) {
	for name, then := range map[string]string{"longer": "abcde", "shorter": "abc"} {
		t.Run(name, func(t *testing.T) {
			s := newSpool(&page{}, 4*holdBack, false)
			r := s.Reader(t.Context())
			defer r.Close()
			write(t, s, "ab")
			s.Restart(onDisk(&page{}))
			s.Know(-1, false)
			write(t, s, then)
			s.Finish(nil)
			if got, err := readLetters(r, 4); !errors.Is(err, ErrDiverged) {
				t.Errorf("\ngot  %q, %v\nwant %v", got, err, ErrDiverged)
			}
		})
	}
}

func TestSpoolADiskThatEndsEarlyIsNoEnd(t *testing.T) {
	p := &page{}
	s := newSpool(p, -1, true)
	r := s.Reader(t.Context())
	defer r.Close()
	write(t, s, "abc")
	s.Finish(nil)
	p.text = p.text[:holdBack]
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("\ngot  %d bytes, %v\nwant %v", n, err, io.ErrUnexpectedEOF)
	}
}

func FuzzSpool(f *testing.F) {
	f.Add([]byte("abc"), []byte("abcd"), uint8(1))
	f.Add([]byte("abc"), []byte("xbcd"), uint8(9))
	f.Fuzz(func(t *testing.T, first, second []byte, read uint8) {
		s := newSpool(&page{}, int64(len(first)+holdBack), false)
		r := s.Reader(t.Context())
		s.Write(first)
		head := make([]byte, min(int(read), len(first)))
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		s.Restart(onDisk(&page{}))
		s.Write(second)
		s.Finish(nil)
		rest, err := io.ReadAll(r)
		if err == nil && string(head)+string(rest) != string(second) {
			t.Errorf("a client was given %q and then %q cleanly, of %q", head, rest, second)
		}
	})
}
