package warm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/cmd/hither/terminal"
	"hither/forward/project"
)

// Want is one thing to have in the cache.
type Want struct {
	project.Want
	Claim digest.Digest // what its client will say that it expects; zero: nothing
	Size  int64         // of its bytes, if something that was read says so; 0: not known
	Named bool          // the user named it, so that to leave it out is a failure
	// More reads what came and tells what else is wanted then; nil: nothing is.
	More func(body []byte) ([]Want, error)

	looked bool // whether it is here was asked
}

// argumentError is an argument that means nothing here.
type argumentError struct{ says string }

// Error ends with what would do.
func (e *argumentError) Error() string { return e.says }

func wrongArgument(format string, args ...any) error {
	return &argumentError{fmt.Sprintf(format, args...)}
}

// maxWants bounds what one command wants before any image is unfolded, in objects.
const maxWants = 500_000

// knownFiles is the end of messages about what is not known.
const knownFiles = "go.mod, go.sum, go.work, the lock files of npm, pnpm, yarn and bun, Dockerfiles"

// Registries is whom the user's clients ask: what they do not ask there is of no use in the cache, and a private registry's
// names are not for others to hear.
type Registries struct {
	GoProxy   string                               // base URL; empty: the go command asks none, or none that can be asked for it
	GoVersion string                               // of the go command that would fetch a later one, as go1.26.0; empty: it would not
	Public    string                               // base URL of a Go proxy to propose to who has none
	NPM       func(lock string) project.Registries // what holds for a lock file, with a Default in any case
}

// Reader turns arguments into wants. Read may be called once. What cannot be read does not keep the rest from being
// read.
type Reader struct {
	Dir        string     // for relative names
	Platforms  []Platform // of images
	Registries Registries

	// What Read found beside the wants.
	Private []string  // patterns of names that what was read says are another registry's
	Unread  []Failure // what could not be read, with its file as URL
	Unnamed int       // images that Dockerfiles name in no way that is known here

	images []*wantedImage // each once, in the order in which they were named
	known  map[imageName]*wantedImage
}

// wantedImage is an image with all the platforms that anything wants of it.
type wantedImage struct {
	imageName
	platforms []Platform
	named     bool // by the user
}

// maxPlatforms is for how many an image may be wanted; each new one is compared with all of them.
const maxPlatforms = 256

// image notes an image that is wanted. What is too many platforms is left out.
func (r *Reader) image(name imageName, platforms []Platform, named bool) {
	i := r.known[name]
	if i == nil {
		if r.known == nil {
			r.known = map[imageName]*wantedImage{}
		}
		i = &wantedImage{imageName: name}
		r.known[name], r.images = i, append(r.images, i)
	}
	i.named = i.named || named
	for _, p := range platforms {
		if len(i.platforms) < maxPlatforms && !slices.Contains(i.platforms, p) {
			i.platforms = append(i.platforms, p)
		}
	}
}

// Read takes the arguments in their order; none is the current directory. Its error is a *argumentError.
func (r *Reader) Read(args []string) (wants []Want, err error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		more, err := r.argument(arg)
		if err != nil {
			return nil, err
		}
		wants = append(wants, more...)
		if len(wants)+len(r.images) > maxWants {
			return nil, wrongArgument("this is more than %d objects: give fewer files at once", maxWants)
		}
	}
	for _, i := range r.images {
		wants = append(wants, i.want(i.platforms, i.named))
	}
	return wants, nil
}

// or takes what was read of a file, or of all of a kind in a directory, or notes why there is nothing.
func (r *Reader) or(path string, wants []Want, err error) []Want {
	if err != nil {
		says, next := err.Error(), "is it whole, and readable?"
		if i := strings.LastIndex(says, "; "); i >= 0 {
			says, next = says[:i], says[i+len("; "):]
		}
		r.Unread = append(r.Unread, Failure{URL: terminal.Plain(path), Err: says, Next: next})
	}
	return wants
}

// argument tells directories, files and images apart: what is there is meant, and what is not is an image's name.
func (r *Reader) argument(arg string) ([]Want, error) {
	path := arg
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Dir, arg)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return r.directory(path)
	case err == nil && info.Mode().IsRegular():
		return r.file(path)
	case err == nil:
		return nil, wrongArgument("%s is no ordinary file: name %s", terminal.Plain(arg), knownFiles)
	case !errors.Is(err, fs.ErrNotExist) || meansFile(arg):
		return nil, wrongArgument("%s: there is no such file: name %s, a directory with some of these, or an image", terminal.Plain(arg), knownFiles)
	}
	image, err := parseImage(arg)
	if err != nil {
		return nil, wrongArgument("%s is neither a file nor a directory here, and %v", terminal.Plain(arg), err)
	}
	r.image(image, r.Platforms, true)
	return nil, nil
}

// meansFile says that a name without a file behind it was not meant as an image, although it could be the name of one.
func meansFile(arg string) bool {
	base := filepath.Base(arg)
	return arg == "" || strings.HasPrefix(arg, ".") || strings.HasPrefix(arg, "/") || strings.Contains(arg, `\`) ||
		isGoFile(base) || isLockFile(base) || isDockerfile(base) || slices.Contains([]string{".json", ".yaml", ".yml", ".lock", ".toml"}, filepath.Ext(base))
}

func isGoFile(base string) bool {
	return slices.Contains([]string{"go.mod", "go.sum", "go.work", "go.work.sum"}, base)
}

func isLockFile(base string) bool {
	return slices.Contains([]string{"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock"}, base)
}

// isDockerfile knows Dockerfile, Dockerfile.prod, prod.Dockerfile, and Podman's Containerfile.
func isDockerfile(base string) bool {
	for _, name := range []string{"dockerfile", "containerfile"} {
		base := strings.ToLower(base)
		if base == name || strings.HasPrefix(base, name+".") && base != name+".dockerignore" || strings.HasSuffix(base, "."+name) {
			return true
		}
	}
	return false
}

// file reads a file that the user named.
func (r *Reader) file(path string) (wants []Want, err error) {
	switch base := filepath.Base(path); {
	case isGoFile(base):
		wants, err = r.modules(filepath.Dir(path))
	case isLockFile(base):
		wants, err = r.tarballs(project.ReadLockFile(path))
	case base == "package.json":
		wants, err = r.tarballs(project.ReadLock(filepath.Dir(path)))
	case isDockerfile(base):
		err = r.dockerfile(path)
	default:
		return nil, wrongArgument("%s is no file that is known here: name %s", terminal.Plain(path), knownFiles)
	}
	return r.or(path, wants, err), nil
}

// directory reads everything in it that is known. That it has none of one kind is no error.
func (r *Reader) directory(dir string) (wants []Want, err error) {
	found := false
	add := func(path string, more []Want, err error) {
		if !errors.Is(err, fs.ErrNotExist) {
			found = true
			wants = append(wants, r.or(path, more, err)...)
		}
	}
	more, err := r.modules(dir)
	add(filepath.Join(dir, "go.mod"), more, err)
	more, err = r.tarballs(project.ReadLock(dir))
	add(dir, more, err)
	entries, err := os.ReadDir(dir)
	if err != nil {
		add(dir, nil, fmt.Errorf("%w; is the directory readable?", err))
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isDockerfile(entry.Name()) || len(wants) > maxWants {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		add(path, nil, r.dockerfile(path))
	}
	if !found {
		return nil, wrongArgument("%s has nothing that is known here: go where there is %s, or name an image", terminal.Plain(dir), knownFiles)
	}
	return wants, nil
}

// modules is what `go mod download` and a build of the module ask for, small things first.
func (r *Reader) modules(dir string) ([]Want, error) {
	g, err := project.ReadGo(dir)
	if err != nil {
		return nil, err
	}
	proxy := r.Registries.GoProxy
	if proxy == "" {
		return nil, errors.New("GOPROXY names no proxy that could be asked for the modules; warm it with `go mod download`, or set GOPROXY to " + r.Registries.Public)
	}
	direct, indirect := g.Zips(proxy)
	var wants []Want
	for _, w := range slices.Concat(g.Toolchain(proxy, r.Registries.GoVersion), g.Mods(proxy), g.Infos(proxy), direct, indirect) {
		wants = append(wants, Want{Want: w})
	}
	return wants, nil
}

// tarballs are those of a lock file, each as its client will ask for it: npm says which digest it expects, and the
// word of the lock file is then enough; the others do not, and the registry's own word is fetched with the tarball.
func (r *Reader) tarballs(l *project.Lock, err error) ([]Want, error) {
	if err != nil {
		return nil, err
	}
	chosen := r.Registries.NPM(l.File)
	r.Private = append(r.Private, chosen.Private()...)
	says := filepath.Base(l.File) == "package-lock.json" || filepath.Base(l.File) == "npm-shrinkwrap.json"
	var wants []Want
	for _, w := range l.Packuments(chosen.Default) {
		wants = append(wants, Want{Want: w})
	}
	for _, w := range l.Wants(chosen.Default) {
		want := Want{Want: w}
		if says && w.Digest.Pins() {
			want.Claim = w.Digest
		}
		wants = append(wants, want)
	}
	return wants, nil
}

// dockerfile notes the images that it begins with or copies from, for each platform that it may be built for.
func (r *Reader) dockerfile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w; is the file readable?", err)
	}
	defer file.Close()
	for n, target := range r.Platforms {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		images, unnamed, err := project.Images(file, target.String())
		if err != nil {
			return err
		}
		for _, i := range images {
			name, err := parseImage(i.Name)
			if err != nil {
				unnamed++
				continue
			}
			platforms, err := ParsePlatforms([]string{i.Platform})
			if err != nil {
				platforms = []Platform{target}
			}
			r.image(name, platforms, false)
		}
		if n == 0 {
			r.Unnamed += unnamed
		}
	}
	return nil
}
