package dial

import "golang.org/x/sys/windows"

// refused is the error of a connection to where nobody listens. syscall.ECONNREFUSED is a number that Windows never says.
const refused = windows.WSAECONNREFUSED
