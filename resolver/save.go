package resolver

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/miekg/dns"

	"hither/cache/wholefile"
)

const (
	// savedName is the file in Server.State. It tells what the user looked up: nobody else may read it.
	savedName = "dns-answers"
	// savedMagic begins the file; another version has another.
	savedMagic = "hither dns answers 1\n"
	// maxSaved bounds the file, in bytes.
	maxSaved = 2 << 20
	// savedFor is how long the file is of use: addresses of last week help nobody.
	savedFor = 3 * 24 * time.Hour
)

// save writes down the positive answers that hold everywhere, for the next start without a network. What is asked often goes first.
func (s *Server) save() {
	if s.State == "" {
		return
	}
	err := os.MkdirAll(s.State, 0o700)
	if err == nil {
		err = wholefile.Write(filepath.Join(s.State, savedName), s.saved(), 0o600)
	}
	if err != nil {
		s.Log.Warn("DNS answers are not saved for the next start; look at the directory's rights and the disk's space", "error", err)
	}
}

// saved is the file's content: the magic, the time, the answers, and the digest of it all.
func (s *Server) saved() []byte {
	now := s.now()
	file := binary.BigEndian.AppendUint64([]byte(savedMagic), uint64(now.Unix()))
	for _, often := range [...]bool{true, false} {
		s.memory.each(func(e *entry) {
			if (e.hits.Load() > 0) != often || !e.everywhere() || !e.usable(now.UnixNano()) {
				return
			}
			if len(file)+len(e.key)+len(e.wire)+4+sha256.Size <= maxSaved {
				file = binary.BigEndian.AppendUint16(file, uint16(len(e.key)))
				file = append(file, e.key...)
				file = binary.BigEndian.AppendUint16(file, uint16(len(e.wire)))
				file = append(file, e.wire...)
			}
		})
	}
	digest := sha256.Sum256(file)
	return append(file, digest[:]...)
}

// load takes what was saved into memory as answers that are too old: they are used only while nobody has better ones.
func (s *Server) load() {
	if s.State == "" {
		return
	}
	content, err := wholefile.Read(filepath.Join(s.State, savedName), maxSaved)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		var entries []*entry
		entries, err = parseSaved(content, s.now())
		for _, e := range entries {
			s.memory.put(e)
		}
	}
	if err != nil {
		s.Log.Warn("the saved DNS answers are of no use, so the memory begins without them", "error", err)
	}
}

// parseSaved reads a whole file. It returns what it could read, and an error if that is not all.
func parseSaved(file []byte, now time.Time) ([]*entry, error) {
	content, ok := bytes.CutPrefix(file, []byte(savedMagic))
	if !ok || len(content) < 8+sha256.Size {
		return nil, errors.New("the file is not one of this version")
	}
	end := len(file) - sha256.Size
	if digest := sha256.Sum256(file[:end]); !bytes.Equal(digest[:], file[end:]) {
		return nil, errors.New("the file is damaged")
	}
	if age := now.Unix() - int64(binary.BigEndian.Uint64(content)); age < 0 || age > int64(savedFor/time.Second) {
		return nil, nil
	}
	return parseEntries(content[8:len(content)-sha256.Size], now)
}

// parseEntries reads the answers of a file.
func parseEntries(content []byte, now time.Time) (entries []*entry, err error) {
	for len(content) > 0 {
		var key, wire []byte
		if key, content, err = cut(content); err != nil {
			return entries, err
		}
		if wire, content, err = cut(content); err != nil {
			return entries, err
		}
		e, err := restore(key, wire, now)
		if err != nil {
			return entries, fmt.Errorf("a saved answer: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// cut takes bytes off that stand behind their number.
func cut(content []byte) (field, rest []byte, err error) {
	if len(content) < 2 || len(content)-2 < int(binary.BigEndian.Uint16(content)) {
		return nil, nil, errors.New("a saved answer is cut short")
	}
	n := 2 + int(binary.BigEndian.Uint16(content))
	return content[2:n], content[n:], nil
}

// restore makes an answer of its saved form, which is believed no more than one from the network.
func restore(key, wire []byte, now time.Time) (*entry, error) {
	q, err := questionOf(key)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		return nil, err
	}
	name, _, err := dns.UnpackDomainName(q.asked, 0)
	if err != nil {
		return nil, err
	}
	if err := check(m, name, q); err != nil {
		return nil, err
	}
	e, err := newEntry(q, m, "memory", now, false)
	if err != nil {
		return nil, err
	}
	if e.stale = now.Add(staleFor).UnixNano(); !e.positive() {
		return nil, errors.New("it says that there is nothing")
	}
	return e, nil
}

// questionOf is the question that has this key.
func questionOf(key []byte) (*question, error) {
	if len(key) < 4 {
		return nil, errors.New("the key is too short")
	}
	wants := key[len(key)-1]
	packet := make([]byte, headerLen, headerLen+len(key)+1+optLen)
	packet[2], packet[5] = bitRD, 1
	if wants&wantsCD != 0 {
		packet[3] |= bitCD
	}
	if wants&wantsAD != 0 {
		packet[3] |= bitAD
	}
	packet = append(append(packet, key[:len(key)-1]...), 0, dns.ClassINET)
	packet = appendOPT(packet, 0, wants&wantsDO != 0, 0)
	q := new(question)
	if q.parse(packet, streamSize) != good || !bytes.Equal(q.key, key) {
		return nil, errors.New("the key is that of no question")
	}
	return q, nil
}
