package kernel

import "golang.org/x/sys/windows"

// SpaceAt asks for what this user may take. NTFS makes room for files as they come.
func SpaceAt(path string) (Space, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Space{}, err
	}
	s := Space{NoInodes: true}
	err = windows.GetDiskFreeSpaceEx(name, &s.Free, &s.Total, nil)
	return s, err
}
