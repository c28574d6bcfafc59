package demo

// The numbers under which clients forward their callers to us.
const (
	Lakeside = "+16085550101" // Lakeside Cardiology of harbor: English, Spanish; medical
	Prairie  = "+16085550102" // Prairie Plumbing of harbor
	Shelter  = "+16085550103" // Dane County Shelter of harbor
	Kovacs   = "+3615550201"  // Kovács Fogászat of duna, which is in standby; Hungarian; medical
	Budai    = "+3615550202"  // Budai Gyorsszerviz of duna
	RedRock  = "+16085550301" // Red Rock Dental of mesa
)

// LakesidePublished is the number that Lakeside Cardiology prints on its cards.
const LakesidePublished = "+16085550151"

// Who signs in, all with Password.
const (
	Ada         = "ada@harbor.example" // operators
	Ben         = "ben@harbor.example"
	Eszter      = "eszter@duna.example"
	Gabor       = "gabor@duna.example"
	Zoe         = "zoe@mesa.example"
	HarborAdmin = "admin@harbor.example" // their administrators
	DunaAdmin   = "admin@duna.example"
	MesaAdmin   = "admin@mesa.example"
	NOC         = "noc@holdfast.example" // the platform's own
)
