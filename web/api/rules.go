package api

import "holdfast/tenants"

// rule says who may use an operation.
type rule struct {
	open  bool         // without a token; one that is sent and valid still says who asks
	least tenants.Role // else: at least this role
}

// rules is who may do what, by operationId of the contract: the one table. An operation that is missing here is refused
// for everybody, and a test fails.
var rules = map[string]rule{
	"signIn":         {open: true},
	"refresh":        {open: true},
	"forgotPassword": {open: true},
	"enterByLink":    {open: true},
	"enter":          {open: true}, // a link stands for the password
	"postTicket":     {open: true}, // bearer token or duty secret: the handler asks for one of them
	"signOut":        {least: tenants.RoleOperator},
	"getMe":          {least: tenants.RoleOperator},

	// Whoever answers calls may look up what was called and said before, and take care of messages.
	"listCalls":         {least: tenants.RoleOperator},
	"getCall":           {least: tenants.RoleOperator},
	"listVoicemails":    {least: tenants.RoleOperator},
	"getVoicemail":      {least: tenants.RoleOperator},
	"patchVoicemail":    {least: tenants.RoleOperator},
	"getVoicemailAudio": {least: tenants.RoleOperator},
	"listMessages":      {least: tenants.RoleOperator},
	"postMessage":       {least: tenants.RoleOperator},
	"getMessage":        {least: tenants.RoleOperator},
	"patchMessage":      {least: tenants.RoleOperator},
	"listAccounts":      {least: tenants.RoleOperator},
	"getAccount":        {least: tenants.RoleOperator},
	"getOnCall":         {least: tenants.RoleOperator},
	"listDirectory":     {least: tenants.RoleOperator},
	"listOperators":     {least: tenants.RoleOperator},
	"getQueue":          {least: tenants.RoleOperator},
	"getActivation":     {least: tenants.RoleOperator},

	// Schedules are read by whoever answers; overrides and notes also ask for the right to set them.
	"listSchedules":  {least: tenants.RoleOperator},
	"getSchedule":    {least: tenants.RoleOperator},
	"getTimeline":    {least: tenants.RoleOperator},
	"listNotes":      {least: tenants.RoleOperator},
	"postNote":       {least: tenants.RoleOperator},
	"deleteNote":     {least: tenants.RoleOperator},
	"postOverride":   {least: tenants.RoleOperator},
	"deleteOverride": {least: tenants.RoleOperator},
	"getCalendar":    {open: true}, // the token of a feed: the handler asks for it

	"postSchedulePreview": {least: tenants.RoleOperator},
	"postSchedule":        {least: tenants.RoleSupervisor},
	"patchSchedule":       {least: tenants.RoleSupervisor},
	"deleteSchedule":      {least: tenants.RoleSupervisor},
	"listFeeds":           {least: tenants.RoleSupervisor},
	"postFeed":            {least: tenants.RoleSupervisor},
	"deleteFeed":          {least: tenants.RoleSupervisor},

	"listCallEvents": {least: tenants.RoleSupervisor},
	"listNotices":    {least: tenants.RoleSupervisor},
	"listAlarms":     {least: tenants.RoleSupervisor},
	"getRoute":       {least: tenants.RoleSupervisor},
	"getForwarding":  {least: tenants.RoleSupervisor},
	"postForwarding": {least: tenants.RoleSupervisor},

	// Whoever leads a shift keeps the directory right.
	"listPeople":    {least: tenants.RoleSupervisor},
	"postPerson":    {least: tenants.RoleSupervisor},
	"getPerson":     {least: tenants.RoleSupervisor},
	"patchPerson":   {least: tenants.RoleSupervisor},
	"deletePerson":  {least: tenants.RoleSupervisor},
	"getPeopleFile": {least: tenants.RoleSupervisor},
	"importPeople":  {least: tenants.RoleSupervisor},

	"listUsers":        {least: tenants.RoleAdmin},
	"postUser":         {least: tenants.RoleAdmin},
	"getUser":          {least: tenants.RoleAdmin},
	"patchUser":        {least: tenants.RoleAdmin},
	"postInvitation":   {least: tenants.RoleAdmin},
	"deleteInvitation": {least: tenants.RoleAdmin},

	"postActivation": {least: tenants.RoleAdmin},

	// What callers meet is an administrator's to change; whoever answers them may see and hear it.
	"getGreeting":    {least: tenants.RoleOperator},
	"getTenant":      {least: tenants.RoleOperator},
	"postAccount":    {least: tenants.RoleAdmin},
	"patchAccount":   {least: tenants.RoleAdmin},
	"deleteAccount":  {least: tenants.RoleAdmin},
	"putGreeting":    {least: tenants.RoleAdmin},
	"deleteGreeting": {least: tenants.RoleAdmin},
	"patchTenant":    {least: tenants.RoleAdmin},

	"listTenants":  {least: tenants.RolePlatform},
	"listNumbers":  {least: tenants.RolePlatform},
	"postNumber":   {least: tenants.RolePlatform},
	"deleteNumber": {least: tenants.RolePlatform},

	"listTrunks":  {least: tenants.RolePlatform},
	"postTrunk":   {least: tenants.RolePlatform},
	"deleteTrunk": {least: tenants.RolePlatform},
}
