package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"hither/cache"
	"hither/cache/digest"
)

// What a process that runs this test binary again is asked to be, and where.
const (
	roleVariable = "HITHER_TEST_ROLE"
	dirVariable  = "HITHER_TEST_DIR"
)

func TestMain(m *testing.M) {
	roles := map[string]func(dir string) error{"fill": fillForever, "large": moveLargeBlob, "hold": holdForever}
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv(dirVariable)); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func openChild(dir string, limit int64) (*Store, error) {
	return Open(Options{Dir: dir, Limit: limit, Floor: 1})
}

// fillForever commits blobs of all sizes until it is killed, and says which. Some it abandons, some it removes.
func fillForever(dir string) error {
	s, err := openChild(dir, 4<<30)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(rand.Uint64(), uint64(i)))
			for {
				if err := fillSomething(s, random); err != nil {
					fmt.Println("failed:", err)
					return
				}
			}
		})
	}
	all.Wait()
	return errors.New("all filling ended")
}

func fillSomething(s *Store, random *rand.Rand) error {
	size := 1 + random.IntN(3000)
	if random.IntN(3) == 0 {
		size = 1 + random.IntN(6<<20)
	}
	fate := random.IntN(6)
	d, err := commit(s, "", noise(random.Uint64(), size), fate != 0)
	switch {
	case err != nil || fate == 0:
		return err
	case fate == 1:
		return s.Remove(context.Background(), d)
	}
	if err := s.Bind(context.Background(), cache.Name("test/"+d), cache.Entry{Digest: d}); err != nil {
		return err
	}
	fmt.Println("committed", d)
	return nil
}

// commit fills a blob, or, if not finished, all of it but the Commit.
func commit(s *Store, want digest.Digest, body io.Reader, finish bool) (digest.Digest, error) {
	w, err := s.Create(context.Background(), want)
	if err != nil {
		return "", err
	}
	defer w.Close()
	if _, err := io.Copy(w, body); err != nil || !finish {
		return "", err
	}
	err = w.Commit()
	return w.Digest(), err
}

// noise is n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) io.Reader {
	key := [32]byte{}
	copy(key[:], fmt.Sprint(seed))
	return io.LimitReader(rand.NewChaCha8(key), int64(n))
}

// moveLargeBlob writes a blob of 1 GiB and reads it back, and says how much memory that took at most.
func moveLargeBlob(dir string) error {
	s, err := openChild(dir, 4<<30)
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := commit(s, "", noise(1, 1<<30), true)
	if err != nil {
		return err
	}
	fmt.Println("written", status("VmHWM"), status("VmRSS"), status("RssAnon"))
	b, err := s.Open(context.Background(), d)
	if err != nil {
		return err
	}
	defer b.Close()
	if n, err := io.Copy(io.Discard, b); err != nil || n != 1<<30 {
		return fmt.Errorf("read %d bytes: %w", n, err)
	}
	fmt.Println("read", status("VmHWM"), status("VmRSS"), status("RssAnon"))
	return nil
}

// status is a line of /proc/self/status; empty where there is none.
func status(field string) string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(text) {
		if strings.HasPrefix(string(line), field+":") {
			return strings.Join(strings.Fields(string(line)), " ")
		}
	}
	return ""
}

// holdForever keeps the cache open until it is killed.
func holdForever(dir string) error {
	if _, err := openChild(dir, 1<<20); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}
