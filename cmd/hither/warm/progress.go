package warm

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/terminal"
)

const (
	// redrawEvery is between two drawings of the line on a terminal: often enough for the eye.
	redrawEvery = 150 * time.Millisecond
	// speakEvery is between two lines elsewhere, where each one stays.
	speakEvery = 5 * time.Second
	// rateWindow is over how long the rate is taken.
	rateWindow = 8 * time.Second
	// guessAfter is how long there is no guess of the end: the first seconds say little.
	guessAfter = 2 * time.Second
)

// Screen is where the progress line is, and what else is written there meanwhile, as the log: the line makes way for it.
type Screen struct {
	Out io.Writer

	mu    sync.Mutex
	drawn bool
}

// Write wipes the line first.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipeLocked()
	return s.Out.Write(p)
}

// draw replaces the line; the empty one wipes it.
func (s *Screen) draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipeLocked()
	if line != "" {
		fmt.Fprint(s.Out, line)
		s.drawn = true
	}
}

func (s *Screen) wipeLocked() {
	if s.drawn {
		fmt.Fprint(s.Out, "\r\x1b[K")
		s.drawn = false
	}
}

// Progress tells how far a warming is: on a terminal in one line that is drawn again and again, elsewhere in a line
// every few seconds.
type Progress struct {
	screen *Screen
	off    bool
	width  func() (columns int, terminal bool)
	ink    terminal.Ink
	now    func() time.Time

	began   time.Time
	samples []sample // of rateWindow, the oldest first
}

type sample struct {
	when     time.Time
	received int64
	done     int
}

// NewProgress is for a screen of so many columns, or for what is no terminal. Off tells nothing.
func NewProgress(s *Screen, off bool, width func() (columns int, terminal bool), ink terminal.Ink) *Progress {
	return &Progress{screen: s, off: off, width: width, ink: ink, now: time.Now}
}

// Run tells until ended is closed.
func (p *Progress) Run(stand func() Stand, ended <-chan struct{}) {
	if p.off {
		<-ended
		return
	}
	p.began = p.now()
	_, terminal := p.width()
	every := speakEvery
	if terminal {
		every = redrawEvery
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			p.tell(stand())
		case <-ended:
			p.screen.draw("")
			return
		}
	}
}

func (p *Progress) tell(s Stand) {
	s.Source = strings.TrimPrefix(strings.TrimPrefix(s.Source, "https://"), "http://")
	rate, left := p.measure(s)
	columns, terminal := p.width()
	if !terminal {
		fmt.Fprintln(p.screen, "hither: "+strings.Join(progressWords(s, rate, left), ", "))
		return
	}
	if columns == 0 { // a terminal that does not know
		columns = 80
	}
	p.screen.draw(p.line(s, rate, left, columns-1)) // a full line would move the cursor to the next
}

// measure takes a sample, and says how fast it goes and how long it will take; 0: nobody knows.
func (p *Progress) measure(s Stand) (rate int64, left time.Duration) {
	now := p.now()
	for len(p.samples) > 1 && now.Sub(p.samples[0].when) > rateWindow {
		p.samples = p.samples[1:]
	}
	p.samples = append(p.samples, sample{now, s.Received, s.Done})
	first := p.samples[0]
	span := now.Sub(first.when)
	if span <= 0 {
		return 0, 0
	}
	rate = int64(float64(s.Received-first.received) / span.Seconds())
	if now.Sub(p.began) < guessAfter || s.Done >= s.Objects {
		return rate, 0
	}
	// Large objects wait for the line, small ones for answers: whichever takes longer decides.
	if done := s.Done - first.done; done > 0 {
		left = time.Duration(float64(s.Objects-s.Done) / float64(done) * float64(span))
	}
	if s.Expected > s.Bytes && rate > 0 {
		left = time.Duration(float64(s.Expected-s.Bytes) / float64(rate) * float64(time.Second))
	}
	return rate, min(left, 99*time.Hour)
}

// progressWords are the parts of a progress line, the most important first.
func progressWords(s Stand, rate int64, left time.Duration) []string {
	words := []string{fmt.Sprintf("%d of %d objects", s.Done, s.Objects)}
	if s.Known > s.Bytes {
		words = append(words, fmt.Sprintf("%s of %s", amount.Bytes(s.Bytes), amount.Bytes(s.Known)))
	} else {
		words = append(words, amount.Bytes(s.Bytes).String())
	}
	if rate > 0 {
		words = append(words, amount.Bytes(rate).String()+"/s")
	}
	if left > 0 {
		words = append(words, "about "+amount.Rough(max(left, time.Second))+" left")
	}
	if s.Source != "" {
		words = append(words, "mostly from "+s.Source)
	}
	return words
}

// line is at most n columns: a bar if there is room for one, and as many words as fit. The bar counts objects, because how
// many bytes there are is known late, and a bar that goes back tells nothing.
func (p *Progress) line(s Stand, rate int64, left time.Duration, n int) string {
	const bar, enough = 20, 60
	front := ""
	if n >= enough && s.Objects > 0 {
		full := min(bar*s.Done/s.Objects, bar)
		front = "[" + p.ink.Green(strings.Repeat("=", full)) + strings.Repeat(" ", bar-full) + "] "
		n -= bar + len("[] ")
	}
	words := progressWords(s, rate, left)
	text := words[0]
	for _, word := range words[1:] {
		if terminal.Columns(text)+2+terminal.Columns(word) > n {
			break
		}
		text += ", " + word
	}
	if n < 1 {
		return ""
	}
	return front + terminal.Shorten(text, n)
}
